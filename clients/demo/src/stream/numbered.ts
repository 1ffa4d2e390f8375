// Reads an event of a socket: its number, and whether it belongs to the system of the socket.

import type { SystemId } from "../systems";

export interface Numbered {
  readonly n: number | null;
  readonly at: number | null;
}

const UNNUMBERED: Numbered = { n: null, at: null };

/** `demo: {n, at}`, which the demonstration's channel layer puts into the event's data, or beside them. */
export function numberOf(...parts: readonly unknown[]): Numbered {
  for (const part of parts) {
    for (const { demo } of [Object(part) as { demo?: unknown }, Object((part as { data?: unknown } | null)?.data) as { demo?: unknown }]) {
      const { n, at } = Object(demo) as { n?: unknown; at?: unknown };
      if (typeof n === "number" && typeof at === "number") return { n, at };
    }
  }
  return UNNUMBERED;
}

/** The systems by the names of their presets, as Django writes them down. */
export const PRESETS: Readonly<Record<string, SystemId>> = {
  feed: "visitors",
  parking: "parking",
  attendance: "manager",
  tracker: "class",
  "repair-shop": "workshop",
};

const WORKSHOP = /^(notification_|work_order_|repair_ticket_|user_)/;

/** What nodes say about a connection, and heartbeats of applications: not events of Django. */
const ASIDE = new Set(["hello", "gap", "ping", "pong", "connection_established", ""]);

/**
 * Whether an event is one of this system. The sockets of the class and of the workshop are in one namespace of Socket.IO
 * and of one user, so both get what is sent to that user.
 */
export function isOf(system: SystemId, event: string): boolean {
  if (ASIDE.has(event)) return false;
  if (system === "class") return !WORKSHOP.test(event);
  if (system === "workshop") return WORKSHOP.test(event);
  return true;
}
