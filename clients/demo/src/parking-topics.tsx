// The parking topics that this browser subscribes to. They stay on every page, so that the river has their events, too.

import { useNotifications } from "@channelgate/react/parking";

import { createStore, useStore } from "./ui/store";

/** The topic of the lots. A node gives with it each type that contains it as whole words: parking_lot_changed, new_parking_lot. */
export const LOTS = "parking_lot";

/** What the person may subscribe to. */
export const TOPICS: readonly (readonly [name: string, title: string])[] = [
  [LOTS, "Lots"],
  ["new_reservation", "Reserved"],
  ["upcoming_reservation", "Reminders"],
  ["reservation_expired", "Expired"],
  ["reservation_cancelled", "Cancelled"],
];

const chosen = createStore<readonly string[]>(TOPICS.map(([name]) => name));

export const useTopics = (): readonly string[] => useStore(chosen);

export const choose: (topics: readonly string[]) => void = chosen.set;

/** Subscribes, and renders nothing. */
export function ParkingTopics(): null {
  useNotifications(useTopics());
  return null;
}
