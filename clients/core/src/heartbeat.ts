// Signs of life: a ping after silence, and the end of a connection that does not answer.

import type { Draft } from "./state.js";

/** After waking, the answer has less time: the page is looked at. */
export const WAKE = 5_000;

/** Asks for a sign of life, where the server is known to answer. */
export function ping(m: Draft, timeout: number): void {
  const { heartbeat } = m.config;
  if (m.phase !== "up" || !heartbeat || !m.pings || !(m.answers || heartbeat.always)) return;
  if (m.pinged !== m.now) m.effects.push({ do: "ping" });
  m.pinged = m.now;
  m.at.pong = m.now + timeout;
}

/** The time for a ping has come, unless there was a frame meanwhile. */
export function beat(m: Draft): void {
  const { heartbeat } = m.config;
  if (!heartbeat) return;
  const next = m.heard + heartbeat.interval;
  if (m.now >= next) ping(m, heartbeat.timeout);
  else m.at.beat = next;
}

/** Any frame is a sign of life. */
export function heard(m: Draft): void {
  m.heard = m.now;
  if (m.at.pong === undefined) return;
  delete m.at.pong;
  beat(m);
}

/** Whether no answer came in time. A timer that is late (sleep, a throttled tab) says nothing: it is asked again. */
export function isDead(m: Draft, deadline: number): boolean {
  const time = deadline - m.pinged;
  if (m.now - m.pinged <= 2 * time) return true;
  ping(m, time);
  return false;
}
