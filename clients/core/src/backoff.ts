// How long the client waits before the next attempt: full jitter, so that many clients do not come back together.

import { guarded } from "./errors.js";
import { LATER, SOON } from "./numbers.js";
import type { Options, Verdict } from "./types.js";

export type Backoff = NonNullable<Options["backoff"]>;

/** A random time up to `base · 2ⁿ`. */
export function jitter(n: number, random: number, { base = 1_000, cap = 30_000 }: Backoff = {}): number {
  return random * Math.min(cap, base * 2 ** n);
}

/** The pause before attempt `n`; `atLeast` is what the server asked for. */
export function pause(verdict: Verdict, n: number, random: number, atLeast: number, backoff?: Backoff): number {
  const wait = verdict === "retry-soon" ? random * SOON : (guarded(() => backoff?.strategy?.(n)) ?? jitter(n, random, backoff));
  // Not all at the moment that the server has named.
  return Math.max(atLeast, verdict === "retry-later" ? LATER : 0) + wait;
}
