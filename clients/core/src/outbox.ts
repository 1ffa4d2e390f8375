// Messages that wait for the connection: bounded in number, size and age, and each one that is lost is counted.

import type { Options } from "./types.js";

/** A message that has not been written; `size` is the length of its JSON. */
export interface Queued {
  readonly event: string;
  readonly data: unknown;
  readonly size: number;
  readonly at: number;
}

/** The messages that may go on waiting: the newest within the limits. The others, the oldest first, are lost. */
export function kept(queue: readonly Queued[], now: number, { messages = 100, bytes = 256 * 1024, age = 30_000 }: Options["outbox"] & object = {}): readonly Queued[] {
  let sum = 0;
  const isKept = ({ size, at }: Queued, index: number) => (sum += size) <= bytes && index < messages && now - at < age;
  return [...queue].reverse().filter(isKept).reverse();
}
