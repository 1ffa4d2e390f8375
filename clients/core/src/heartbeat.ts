// Signs of life: a ping after silence, and the end of a connection that does not answer.

import type { Draft } from "./state.js";

/** Asks for a sign of life; a transport without pings looks at a heartbeat of its own. */
export function ping(m: Draft, timeout: number): void {
  if (m.phase !== "up" || (m.pings && !m.answers)) return;
  m.do("ping");
  m.pinged = m.now;
  if (m.pings) m.at.pong = m.now + timeout;
}

/** Any frame is a sign of life. */
export function alive(m: Draft): void {
  m.heard = m.now;
  m.at.pong = Infinity;
  m.at.beat = m.now + (options(m).interval ?? 25_000);
}

/** The time for a ping has come. */
export function beat(m: Draft): void {
  if (m.heartbeat !== false) ping(m, options(m).timeout ?? 10_000);
}

function options({ heartbeat }: Draft): { interval?: number; timeout?: number } {
  return heartbeat || {};
}
