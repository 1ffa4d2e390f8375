// The last events with both of their sides: what Django has sent, and what this browser has got.

import type { SystemId } from "../systems";
import type { Arrival, Fate, Sent } from "./types";

export interface Item {
  /** Of the event, as long as it is remembered. */
  readonly key: string;
  readonly system: SystemId;
  readonly event: string;
  readonly n: number | null;
  readonly sent: Sent | null;
  readonly arrival: Arrival | null;
  readonly fate: Fate | null;
}

const KEPT = 800;

export interface Records {
  sent(event: Sent): void;
  arrived(arrival: Arrival): string;
  fate(n: number, fate: Fate | null): void;
  forget(): void;
  find(key: string): Item | null;
  /** Newest first: what has come, and what counts and has not. */
  last(count: number): Item[];
}

export const keyOf = (n: number): string => `n${n}`;

export function createRecords(): Records {
  const items = new Map<string, Item>();
  const put = (key: string, change: Partial<Item> & Pick<Item, "system" | "event">) => {
    const before = items.get(key);
    items.set(key, { n: null, sent: null, arrival: null, fate: null, ...before, ...change, key });
    if (items.size > KEPT) items.delete(items.keys().next().value!);
  };
  return {
    sent: (event) => put(keyOf(event.n), { system: event.system, event: event.event, n: event.n, sent: event }),
    arrived: (arrival) => {
      const key = arrival.n === null ? `a${arrival.id}` : keyOf(arrival.n);
      // Clients of some systems give all their events one name: Django's says more.
      put(key, { system: arrival.system, event: items.get(key)?.sent?.event ?? arrival.event, n: arrival.n, arrival });
      return key;
    },
    fate: (n, fate) => {
      const item = items.get(keyOf(n));
      if (item) put(keyOf(n), { system: item.system, event: item.event, fate });
    },
    forget: () => items.clear(),
    find: (key) => items.get(key) ?? null,
    last: (count) => {
      const found: Item[] = [];
      const all = [...items.values()];
      for (let index = all.length - 1; index >= 0 && found.length < count; index -= 1) {
        const item = all[index]!;
        if (item.arrival || (item.fate && item.fate !== "pending")) found.push(item);
      }
      return found;
    },
  };
}
