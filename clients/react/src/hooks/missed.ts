"use client";
// Loads anew what may have been missed.

import type { Missed } from "@channelgate/client";
import { useEffect } from "react";

import { useClientOf, type Of } from "../context.js";
import { useLatest } from "./latest.js";

/**
 * Calls the handler when events may have been missed. Until its promise resolves `recovery` is "recovering"; if it
 * rejects, it is called again later. The signal is aborted when there is another miss meanwhile.
 */
export function useMissed(handler: (missed: Missed, signal: AbortSignal) => void | Promise<void>, of?: Of): void {
  const client = useClientOf("useMissed", of);
  const latest = useLatest(handler);
  useEffect(() => client.onMissed((missed, signal) => latest()(missed, signal)), [client, latest]);
}
