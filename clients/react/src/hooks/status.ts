"use client";
// Reads the state of the connection.

import { IDLE, type Client, type Events, type Snapshot } from "@channelgate/client";
import { useCallback, useMemo, useSyncExternalStore } from "react";

import { useClientOf, type Of } from "../context.js";
import { frame } from "../frame.js";

/** The snapshot of the client, and whether it is open. */
export interface Status extends Snapshot {
  readonly isConnected: boolean;
}

const all = (status: Status): Status => status;

/** The client of the nearest provider, or of the one with this name. */
export function useClient<E = Events>(of?: Of): Client<E> {
  return useClientOf("useClient", of);
}

/** The state of the connection. With a selector, the component renders only when what it selects changes. */
export function useStatus(selector?: undefined, of?: Of): Status;
export function useStatus<S>(selector: (status: Status) => S, of?: Of): S;
export function useStatus<S>(selector: (status: Status) => S | Status = all, of?: Of): S | Status {
  const client = useClientOf("useStatus", of);
  const subscribe = useCallback((listener: () => void) => client.subscribe(() => frame(listener)), [client]);
  const [shown, idle] = useMemo(() => {
    const memo = (read: () => Snapshot) => {
      let last: Snapshot | undefined;
      let selected: S | Status;
      return () => {
        const snapshot = read();
        if (snapshot !== last) selected = selector({ ...(last = snapshot), isConnected: snapshot.status === "open" });
        return selected;
      };
    };
    // A server renders the second, and a browser until it has hydrated.
    return [memo(() => client.snapshot()), memo(() => IDLE)];
  }, [client, selector]);
  return useSyncExternalStore(subscribe, shown, idle);
}

/** How good the connection is. */
export interface Quality {
  /** `none` while it is not open, `unknown` before the first heartbeat. */
  readonly level: "none" | "unknown" | "good" | "fair" | "poor";
  /** Milliseconds of the last heartbeat. */
  readonly latency: number | null;
  /** Connections that were lost since the client was made. */
  readonly drops: number;
  /** Failed attempts since the connection was last stable. */
  readonly attempts: number;
}

/** Milliseconds up to which a latency is good, and fair. */
const GOOD = 300;
const FAIR = 1_000;

function qualityOf({ isConnected, latency, drops, attempt: attempts }: Status): Quality {
  const rated = latency === null ? "unknown" : latency > FAIR ? "poor" : latency > GOOD || attempts > 0 ? "fair" : "good";
  return { level: isConnected ? rated : "none", latency, drops, attempts };
}

/** How good the connection is: its latency, how often it was lost, and attempts. */
export function useQuality(of?: Of): Quality {
  return useStatus(qualityOf, of);
}
