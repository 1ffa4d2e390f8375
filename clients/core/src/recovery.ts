// What may have been missed, and loading it anew: live → missed → recovering → live.

import { jitter, SOON } from "./backoff.js";
import type { Draft } from "./state.js";
import type { Missed, Named } from "./types.js";

/** Handlers that have failed wait at least this long. */
const AGAIN = 1_000;

/** Something may be missing. It joins what has not been loaded anew, and what is being loaded begins anew. */
export function miss(m: Draft, missed: Missed, shared: boolean): void {
  const before = m.missed;
  m.missed = !before
    ? missed
    : {
        // A connection that comes back says less than what was known before.
        ...(missed.reason === "reconnected" ? before : missed),
        groups: before.groups && missed.groups && [...new Set([...before.groups, ...missed.groups])],
        since: Math.min(before.since, missed.since),
        until: missed.until,
      };
  m.recovery = "missed";
  m.reruns = 0;
  m.run += 1;
  m.effects.push({ do: "abort" });
  schedule(m, shared);
}

/** Handlers start when the connection is open; spread if all clients would load the same in the same second. */
export function schedule(m: Draft, shared: boolean): void {
  if (!m.shown) return;
  m.at.recover = m.now + (shared ? m.random * SOON : 0);
  if (m.at.recover <= m.now) recover(m);
}

export function recover(m: Draft): void {
  delete m.at.recover;
  if (!m.missed || !m.shown) return;
  m.recovery = "recovering";
  m.run += 1;
  m.effects.push({ do: "recover", run: m.run, missed: m.missed });
}

/** All handlers have succeeded; one has failed; there was none (null). */
export function ran(m: Draft, ok: boolean | null): void {
  if (ok) return fresh(m);
  m.recovery = "missed";
  if (ok === false) m.at.recover = m.now + Math.max(AGAIN, jitter(m.reruns++, m.random, { ...m.config.backoff, strategy: undefined }));
}

/** What is shown has been loaded anew. */
export function fresh(m: Draft): void {
  delete m.at.recover;
  if (m.recovery === "recovering") m.effects.push({ do: "abort" });
  m.run += 1;
  m.reruns = m.lost = 0;
  m.missed = null;
  m.recovery = "live";
}

/** The connection is open again: what was missed meanwhile, unless the server has replayed it. */
export function reopened(m: Draft): void {
  const { wasOpen, shared } = m;
  m.wasOpen = true;
  m.shared = false;
  if (wasOpen) {
    m.recovered = m.resumed;
    if (!m.resumed) return miss(m, { reason: "reconnected", groups: null, since: m.lastSeen, until: m.now }, shared);
  }
  if (m.missed) schedule(m, shared);
}

/** Frames for the client itself: `gap`, and `resume`, which says how a replay went. */
export function notice(m: Draft, { event, data }: Named): void {
  const { reason, groups, outcome } = (data ?? {}) as Record<string, unknown>;
  const detail = typeof reason === "string" ? { detail: reason } : {};
  const what = { ...detail, groups: names(groups), since: m.heard, until: m.now };
  if (event === "gap") miss(m, { reason: "gap", ...what }, true);
  if (event !== "resume") return;
  if (outcome === "impossible") miss(m, { reason: "impossible", ...what }, false);
  if (outcome !== "replayed" && outcome !== "current") return;
  m.resumed = true;
  if (m.shown && m.wasOpen) {
    m.recovered = true;
    if (m.missed?.reason === "reconnected") fresh(m);
  }
}

/** `["orders"]`, or the keys of `{orders: "impossible"}`; null: it may be any group. */
function names(groups: unknown): readonly string[] | null {
  if (Array.isArray(groups)) return groups.filter((name) => typeof name === "string");
  return groups && typeof groups === "object" ? Object.keys(groups) : null;
}
