// What close codes of WebSockets and reasons of Socket.IO mean to the client, as data: the documentation is made of it.

import type { Verdict } from "./types.js";

/** Close codes of plain WebSockets; others below 3000: `failed`. 4408: the client left heartbeats of the node unanswered. */
export const closeCodes: Readonly<Record<Verdict, readonly number[]>> = {
  closed: [1000],
  retry: [1001, 1005, 1006, 1014, 1015, 4408],
  "retry-later": [1011, 1013],
  "retry-soon": [1012],
  failed: [4000, 4004, 4404],
  expired: [4001, 4003, 4401],
  unauthorized: [4403],
};

/** Reasons of `disconnect` and messages of `connect_error` of Socket.IO. Any other message of `connect_error`: `expired`. */
export const socketReasons: Readonly<Partial<Record<Verdict, readonly string[]>>> = {
  closed: ["io client disconnect"],
  retry: ["ping timeout", "transport close", "transport error", "parse error"],
  "retry-later": ["Service unavailable", "too many connections of this user", "HTTP 429", "HTTP 503"],
  failed: ["Invalid namespace"],
  expired: ["io server disconnect"],
};

/** The verdict of a close code; undefined for a code of the application that the table does not have. */
export function verdictOf(code: number): Verdict | undefined {
  for (const verdict in closeCodes) if (closeCodes[verdict as Verdict].includes(code)) return verdict as Verdict;
  return code < 3000 ? "failed" : undefined;
}

/** The verdict of a reason of Socket.IO; undefined for a text that the table does not have. */
export function verdictOfReason(reason: string): Verdict | undefined {
  for (const verdict in socketReasons) if (socketReasons[verdict as Verdict]?.includes(reason)) return verdict as Verdict;
  return undefined;
}

export { UNKNOWN as UNKNOWN_RETRIES } from "./numbers.js";
