"use client";
// Reads a source.

import { useSyncExternalStore } from "react";

import type { Source } from "../frame.js";

export function useShown<S>({ subscribe, shown, idle }: Source<S>): S {
  return useSyncExternalStore(subscribe, shown, idle);
}
