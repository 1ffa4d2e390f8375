// What the page of parking makes of notifications: lots, the person's reservations, and the ws-token's time.

import { expect, test } from "vitest";

import { isIn, lotOf, reservationOf, validity, type Lot } from "../src/pages/parking/data";

const lot: Lot = { id: 2, name: "Old Market", capacity: 12, occupied: 10 };
const find = (id: number) => (id === lot.id ? lot : undefined);
const said = (topic: string, data?: Record<string, unknown>) => ({ type: "notification", message: "", topic, ...(data && { data }) });

test("a lot changes with its notification; a new one is empty, and a known one stays as full", () => {
  expect(lotOf(said("parking_lot_changed", { parking_lot_id: 2, parking_lot: "Old Market", capacity: 12, occupied: 11 }), find)).toEqual({ ...lot, occupied: 11 });
  expect(lotOf(said("new_parking_lot", { parking_lot_id: 9, parking_lot: "Zoo", capacity: 5 }), find)).toEqual({ id: 9, name: "Zoo", capacity: 5, occupied: 0 });
  expect(lotOf(said("parking_lot_changed", { parking_lot_id: 2, parking_lot: "Old Market", capacity: 14 }), find)).toEqual({ ...lot, capacity: 14 });
});

test("what is said of something else changes no lot and no reservation", () => {
  expect(lotOf(said("new_reservation", { reservation_id: 4, parking_lot: "Old Market" }), find)).toBeNull();
  expect(lotOf(said("notice"), find)).toBeNull();
  expect(reservationOf(said("parking_lot_changed", { parking_lot_id: 2, parking_lot: "Old Market", capacity: 12 }))).toBeNull();
  expect(reservationOf(said("notice"))).toBeNull();
});

test("a reservation is in force from its first notification until it expires or is cancelled", () => {
  const after = (topic: string) => reservationOf(said(topic, { reservation_id: 4, parking_lot: "Old Market" }))!;
  expect(["new_reservation", "upcoming_reservation", "reservation_expired", "reservation_cancelled"].map((topic) => isIn(lot, after(topic)))).toEqual([true, true, false, false]);
  expect(isIn({ ...lot, id: 3, name: "Zoo" }, after("new_reservation"))).toBe(false);
  // REST names the lot by its id.
  expect(isIn(lot, { id: 4, parking_lot: 2, status: "active" })).toBe(true);
});

test("the ring says how long the ws-token is valid, and that the connection ends with it", () => {
  expect(validity(125_000)).toBe("The ws-token is valid for 2 more minutes");
  expect(validity(119_000)).toBe("The ws-token is valid for 1 more minute");
  expect(validity(59_000)).toBe("The ws-token is valid for less than a minute");
  expect(validity(0)).toMatch(/has ended: the node closes the connection/);
});
