// Rooms and topics, in the order of first asking. One without users is there until it is taken back. A topic that the
// server cannot take back stays with the connection: what comes of it alone is left away here.

import type { Dialect } from "./types.js";

export type Kind = "room" | "topic";

export interface Wanted {
  readonly kind: Kind;
  readonly name: string;
  readonly users: number;
}

export type Interests = Map<string, Wanted>;

/** Whether an event comes only because of topics that nobody wants any more. */
export function isLeft(topic: string, left: ReadonlySet<string>, wanted: Interests, matches: Dialect["matches"]): boolean {
  const isOf = (name: string) => !!matches?.(topic, name);
  return [...left].some(isOf) && ![...wanted.values()].some(({ kind, name }) => kind === "topic" && isOf(name));
}
