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

/** Lots change while their topic is subscribed to. */
export function useLots(person: Person, isSubscribed: boolean): LiveList<Lot> {
  return useParkingList<Lot, "notification">({
    load: (signal) => django<Lot[]>(person, "parking/lots/", { signal }),
    key: ({ id }) => id,
    events: { upsert: ["notification"] },
    item: ({ data }, _, find) => {
      const { parking_lot_id: id, parking_lot: name, capacity, occupied } = data as { parking_lot_id?: number; parking_lot?: string; capacity?: number; occupied?: number };
      if (!isSubscribed || id === undefined || capacity === undefined) return null;
      return { id, name: `${name}`, capacity, occupied: occupied ?? find(id)?.occupied ?? 0 };
    },
    of: parkingClient(),
  });
}

const STATUS: Record<string, string> = { new_reservation: "active", upcoming_reservation: "active", reservation_expired: "expired", reservation_cancelled: "cancelled" };

function reservationOf({ topic, data }: WebSocketMessage): Reservation | null {
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

const HOUR = 3_600_000;

/** For two hours from now. */
export const reserve = (person: Person, { id }: Lot): Promise<Reservation> =>
  django<Reservation>(person, "parking/reservations/", {
    method: "POST",
    body: { parking_lot: id, start_time: new Date().toISOString(), end_time: new Date(Date.now() + 2 * HOUR).toISOString() },
  });

export const cancel = (person: Person, { id }: Reservation): Promise<Reservation> =>
  django<Reservation>(person, `parking/reservations/${id}/cancel/`, { method: "POST" });
