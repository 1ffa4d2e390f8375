// What may have been missed, and loading it anew: live → missed → recovering → live.

import { jitter } from "./backoff.js";
import { AGAIN, SOON } from "./numbers.js";
import type { Draft } from "./state.js";
import type { Missed } from "./types.js";

/** Something may be missing since then. It joins what has not been loaded anew, and what is being loaded begins anew. */
export function miss(m: Draft, reason: Missed["reason"], since: number, isShared?: boolean, detail?: string, groups: readonly string[] | null = null): void {
  const before = m.missed ?? { groups: [] as string[], since };
  m.missed = {
    // A connection that comes back says less than what was known before.
    ...(m.missed && /^re/.test(reason) ? m.missed : { reason, ...(detail && { detail }) }),
    groups: before.groups && groups && [...new Set(before.groups.concat(groups))],
    since: Math.min(before.since, since),
    until: m.now,
  };
  interrupt(m, "missed");
  // All clients would load the same in the same second.
  if (isShared) m.at.recover = m.now + m.random * SOON;
  else recover(m);
}

/** Handlers that run have been overtaken. */
export function interrupt(m: Draft, recovery: "missed" | "live"): void {
  if (m.recovery === "recovering") m.do("abort");
  m.recovery = recovery;
  m.reruns = 0;
  m.at.recover = Infinity;
}

/** Handlers start when the connection is open. */
export function recover(m: Draft): void {
  if (m.recovery !== "missed" || !m.shown) return;
  m.recovery = "recovering";
  m.do("recover", m.missed as Missed);
}

/** All handlers have succeeded; one has failed; there was none (null). */
export function ran(m: Draft, ok: boolean | null): void {
  m.recovery = "missed";
  if (ok) fresh(m);
  else if (ok !== null) m.at.recover = m.now + AGAIN + jitter(m.reruns++, m.random, m.backoff);
}

/** What is shown has been loaded anew. */
export function fresh(m: Draft): void {
  interrupt(m, "live");
  m.missed = null;
  m.lost = 0;
}

/**
 * Frames for the client itself: who serves it, and events that were lost. Applications may have a "hello" and a "gap" of
 * their own: the node's hello is the first frame, and its gap has a word as reason, and groups only as a list of names.
 */
export function notice(m: Draft, event: string | undefined, data: unknown): void {
  const { v, node, id, reason, groups } = Object(data) as { v: unknown; node: string; id: string; reason: string; groups?: string[] | null };
  // Of all that JSON has, only lists have `every`.
  if (event === "gap" && isText(reason) && /^\w+$/.test(reason) && (groups ?? []).every?.(isText)) miss(m, "gap", m.heard, true, reason, groups ?? null);
  if (event === "hello" && m.isNew && v === 1 && isText(node)) {
    m.node = node;
    m.id = id;
    m.answers = true;
  }
  m.isNew = false;
}

/** Applications show and compare what servers send. */
const isText = (value: unknown): value is string => typeof value === "string";
