// Observes the client of one system: its events, the rooms and topics that the page wants, and when it is away.

import type { Client } from "@channelgate/client";
import type { AnyClient } from "@channelgate/react";

import type { SystemId } from "../systems";
import { isOf, numberOf } from "./numbered";
import type { Arrival } from "./types";

/** Why a system does not get events at the moment: its connection is lost, or it has reported that some may be missing. */
export type Absence = "connection" | "missed";

export interface Observer {
  arrived(arrival: Omit<Arrival, "id">): void;
  want(system: SystemId, kind: "room" | "topic", name: string, isWanted: boolean): void;
  /** Nothing may have come since then. Called again if it turns out to be longer. */
  away(system: SystemId, since: number, why: Absence): void;
  live(system: SystemId): void;
  /** Another node serves the system, or none. */
  node(system: SystemId, node: string | null): void;
}

const wrapped = new WeakSet<AnyClient>();
/** How often each room and topic is wanted, for each observer. */
const wants = new WeakMap<object, Map<string, number>>();

/** Follows what the page wants, from before the first component asks: its `want` is wrapped once. */
export function followWants(system: SystemId, given: AnyClient, observer: Pick<Observer, "want">): void {
  if (wrapped.has(given)) return;
  wrapped.add(given);
  const client = given as unknown as Client;
  const want = client.want.bind(client);
  const users = wants.get(observer) ?? new Map<string, number>();
  wants.set(observer, users);
  const change = (kind: "room" | "topic", name: string, by: 1 | -1) => {
    const key = `${system} ${kind} ${name}`;
    const before = users.get(key);
    users.set(key, (before ?? 0) + by);
    if (before === undefined) observer.want(system, kind, name, true);
    // A component with other topics, or the next client of the system, may want it again at once.
    if (by < 0) queueMicrotask(() => users.get(key) === 0 && users.delete(key) && observer.want(system, kind, name, false));
  };
  client.want = (kind, name) => {
    change(kind, name, 1);
    const end = want(kind, name);
    let isHeld = true;
    return () => {
      if (isHeld) change(kind, name, -1);
      isHeld = false;
      end();
    };
  };
}

/** Returns what ends it. */
export function watch(system: SystemId, given: AnyClient, observer: Observer): () => void {
  const client = given as unknown as Client;
  let heard = Date.now();
  let wasOpen = false;
  let isAway = false;
  let node: string | null = null;
  /** Ids of the connection that is or was open, and of the one before: its id and node stay in the snapshot for a while. */
  let last: string | null = null;
  let former: string | null = null;

  const look = () => {
    const { status, recovery, missed, node: serving, id } = client.snapshot();
    const isOpen = status === "open";
    if (isOpen) last = id;
    else former = last;
    if (node !== (node = isOpen && id !== former ? serving : null)) observer.node(system, node);
    if (isOpen && !wasOpen) {
      wasOpen = true;
      heard = Date.now();
    }
    const isLive = isOpen && recovery === "live";
    if (isLive && isAway) observer.live(system);
    if (!isLive && wasOpen) observer.away(system, Math.min(missed?.since ?? heard, heard, Date.now()), isOpen ? "missed" : "connection");
    isAway = !isLive && wasOpen;
  };

  const stops = [
    client.on("*", (data, { event, frame }) => {
      const came = Date.now();
      const { n, at } = numberOf(data, frame);
      // A page that stood still reads an event late: what was sent after it may not have come.
      // A clock that is set back takes it along.
      heard = Math.min(came, Math.max(heard, at ?? came));
      if (!isOf(system, event)) return;
      observer.arrived({ system, event, n, at, came, frame, node });
    }),
    client.subscribe(look),
  ];
  look();
  return () => {
    for (const stop of stops) stop();
    if (isAway) observer.live(system);
    observer.node(system, null);
  };
}
