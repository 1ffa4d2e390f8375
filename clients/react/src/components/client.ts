"use client";
// The connection as the components use it, and what the components of one provider share.

import type { Client } from "@channelgate/client";
import { useEffect, useState, useSyncExternalStore } from "react";

import { useClientOf, type Of } from "../context.js";
import { useStatus, type Status } from "../hooks/status.js";
import { boardOf, type Board, type Store } from "./store.js";

const whole = (status: Status) => status;

export interface Connection {
  client: Client;
  snapshot: Status;
  board: Board;
}

/** Client, state and board of the nearest provider, of the one with this name, or of a given client. */
export function useConnection(component: string, of?: Of): Connection {
  const client = useClientOf(component, of);
  return { client, snapshot: useStatus(whole, of), board: boardOf(client) };
}

export const useStore = <T>(store: Store<T>): T => useSyncExternalStore(store.subscribe, store.get, store.get);

/** Whether this is the first of the mounted components that share the store. */
export function useFirst(mounted: Store<readonly object[]>): boolean {
  const [me] = useState({});
  const [first = me] = useStore(mounted);
  useEffect(() => {
    mounted.set([...mounted.get(), me]);
    return () => mounted.set(mounted.get().filter((one) => one !== me));
  }, [mounted, me]);
  return first === me;
}
