// Signs of life: a ping after silence, and the end of a connection that does not answer.

import type { Draft } from "./state.js";

/** After waking, the answer has less time: somebody looks at the page. */
export const WAKE = 5_000;

/** Asks for a sign of life. An answer is waited for where the server is known to give one. */
export function ping(m: Draft, timeout: number): void {
  if (m.phase !== "up" || m.pings !== m.answers) return;
  m.effect("ping");
  if (!m.answers) return;
  m.pinged = m.now;
  m.at.pong = m.now + timeout;
}

/** The time for a ping has come, unless there was a frame meanwhile. */
export function beat(m: Draft): void {
  const { interval, timeout } = m.config.heartbeat;
  if (m.now < m.heard + interval) m.at.beat = m.heard + interval;
  else ping(m, timeout);
}

/** Whether no answer came in time. A timer that is late (sleep, a throttled tab) says nothing: it is asked again. */
export function isDead(m: Draft, deadline: number): boolean {
  const time = deadline - m.pinged;
  const isLate = m.now - m.pinged > 2 * time;
  if (isLate) ping(m, time);
  return !isLate;
}

/** The server is known to answer. */
export function answer(m: Draft): void {
  m.answers = m.pings && m.config.heartbeat.interval > 0;
  beat(m);
}
