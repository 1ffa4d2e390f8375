// Lots and the person's reservations, from Django's REST and from notifications.

import { useLiveList, type LiveList, type UseLiveList } from "@channelgate/react";
import { parkingClient, type ParkingEvents, type WebSocketMessage } from "@channelgate/react/parking";

import { django } from "../../django";
import type { Person } from "../../session";

export interface Lot {
  readonly id: number;
  readonly name: string;
  readonly capacity: number;
  /** How many places are taken. */
  readonly occupied: number;
}

export interface Reservation {
  readonly id: number;
  /** The lot's id; from a notification, its name. */
  readonly parking_lot: number | string;
  readonly status: string;
}

const useParkingList: UseLiveList<ParkingEvents> = useLiveList;

/** The lot after a notification; null: it says nothing of a lot. */
export function lotOf({ data }: WebSocketMessage, find: (id: number) => Lot | undefined): Lot | null {
  const { parking_lot_id: id, parking_lot: name, capacity, occupied } = (data ?? {}) as { parking_lot_id?: number; parking_lot?: string; capacity?: number; occupied?: number };
  if (id === undefined || capacity === undefined) return null;
  return { id, name: `${name}`, capacity, occupied: occupied ?? find(id)?.occupied ?? 0 };
}

/** Lots change while their topic is subscribed to. */
export function useLots(person: Person, isSubscribed: boolean): LiveList<Lot> {
  return useParkingList<Lot, "notification">({
    load: (signal) => django<Lot[]>(person, "parking/lots/", { signal }),
    key: ({ id }) => id,
    events: { upsert: ["notification"] },
    item: (message, _event, find) => (isSubscribed ? lotOf(message, find) : null),
    of: parkingClient(),
  });
}

const STATUS: Record<string, string> = { new_reservation: "active", upcoming_reservation: "active", reservation_expired: "expired", reservation_cancelled: "cancelled" };

/** The reservation that a notification is about; null: none. */
export function reservationOf({ topic, data }: WebSocketMessage): Reservation | null {
  const { reservation_id: id, parking_lot } = (data ?? {}) as { reservation_id?: number; parking_lot?: string };
  const status = STATUS[topic ?? ""];
  return id !== undefined && parking_lot !== undefined && status ? { id, parking_lot, status } : null;
}

/** The person's reservations that are in force. */
export function useReservations(person: Person): LiveList<Reservation> {
  return useParkingList<Reservation, "notification">({
    load: (signal) => django<Reservation[]>(person, "parking/reservations/", { signal }),
    key: ({ id }) => id,
    events: { upsert: ["notification"] },
    item: reservationOf,
    id: person.username,
    of: parkingClient(),
  });
}

export const isIn = (lot: Lot, { parking_lot, status }: Reservation): boolean => status === "active" && (parking_lot === lot.id || parking_lot === lot.name);

/** What there is to say of a ws-token that is valid for so many more milliseconds. Its end is the connection's. */
export function validity(left: number): string {
  const minutes = Math.floor(left / 60_000);
  if (left <= 0) return "The ws-token has ended: the node closes the connection, and the next one opens with another token";
  return `The ws-token is valid for ${minutes === 0 ? "less than a minute" : minutes === 1 ? "1 more minute" : `${minutes} more minutes`}`;
}

const HOUR = 3_600_000;

/** For two hours from now. */
export const reserve = (person: Person, { id }: Lot): Promise<Reservation> =>
  django<Reservation>(person, "parking/reservations/", {
    method: "POST",
    body: { parking_lot: id, start_time: new Date().toISOString(), end_time: new Date(Date.now() + 2 * HOUR).toISOString() },
  });

export const cancel = (person: Person, { id }: Reservation): Promise<Reservation> =>
  django<Reservation>(person, `parking/reservations/${id}/cancel/`, { method: "POST" });
