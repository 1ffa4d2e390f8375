"use client";
// The connection as the components use it.

import type { Client, Snapshot } from "@channelgate/client";
import { useSyncExternalStore } from "react";

import { useClientOf, type Of } from "../context.js";
import { boardOf, type Board } from "./store.js";

export interface Connected {
  client: Client;
  snapshot: Snapshot;
  board: Board;
}

/** Client, state and board of the nearest provider, of the one with this name, or of a given client. */
export function useConnection(component: string, of?: Of): Connected {
  const client = useClientOf(component, of);
  const snapshot = useSyncExternalStore(client.subscribe, client.snapshot, client.snapshot);
  return { client, snapshot, board: boardOf(client) };
}
