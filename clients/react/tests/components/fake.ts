// A client whose state the test writes: every state of a component, without waiting for a connection to get there.

import type { Client, Snapshot } from "@channelgate/client";
import { vi, type Mock } from "vitest";

export const now = (): number => Math.floor(Date.now() / 1000) * 1000;

export const OPEN: Snapshot = {
  status: "open",
  recovery: "live",
  missed: null,
  attempt: 0,
  retryAt: null,
  since: 0,
  reason: null,
  online: true,
  node: "node-2",
  id: "c1",
  latency: 12.3,
  queued: 0,
  recovered: null,
  drops: 1,
};

export interface Fake extends Client {
  become(some: Partial<Snapshot>): void;
  reconnect: Mock<(why?: string) => void>;
  fresh: Mock<() => void>;
}

export function fake(some: Partial<Snapshot> = {}): Fake {
  let snapshot: Snapshot = { ...OPEN, since: now(), ...some };
  const listeners = new Set<() => void>();
  const client = {
    snapshot: () => snapshot,
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    acquire: () => () => undefined,
    become: (next: Partial<Snapshot>) => {
      snapshot = { ...snapshot, ...next };
      listeners.forEach((listener) => listener());
    },
    reconnect: vi.fn(),
    fresh: vi.fn(() => client.become({ recovery: "live", missed: null })),
  };
  return client as unknown as Fake;
}
