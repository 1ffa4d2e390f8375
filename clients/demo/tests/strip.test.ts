// The strip of the day: each check-in stands at its time, and none covers another.

import { expect, test } from "vitest";

import { place, spanOf } from "../src/pages/manager/place";

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 0, 5, 12);
const span = { from: 0, to: 1_000, hours: [] };

test("a check-in stands at its time, beside the line", () => {
  expect(place([["a", 250]], span, 400, 20, 3)).toEqual([{ id: "a", x: 100, level: 0 }]);
});

test("check-ins of the same minute stand on different levels, and then beside each other", () => {
  const placed = place([["a", 250], ["b", 250], ["c", 250]], span, 400, 20, 2);
  expect(placed).toEqual([{ id: "a", x: 100, level: 0 }, { id: "b", x: 100, level: 1 }, { id: "c", x: 120, level: 0 }]);
});

test("the last check-in is on the strip", () => {
  expect(place([["a", 1_000]], span, 400, 20, 1)[0]!.x).toBe(390);
});

test("those at the end stand beside each other, too", () => {
  expect(place([["a", 980], ["b", 990], ["c", 1_000]], span, 400, 20, 1).map(({ x }) => x)).toEqual([350, 370, 390]);
});

const checkIn = (at: number) => ({ employee_id: `${at}`, employee_name: null, status: "present", date: "2026-01-05", timestamp: null, device: null, isLate: null, check_in_time: new Date(at).toJSON() });

test("the strip has the first check-in of the day, and now", () => {
  const { from, to, hours } = spanOf([checkIn(NOON - 5 * HOUR)], NOON, 900);
  expect(from).toBeLessThan(NOON - 5 * HOUR);
  expect(to).toBeGreaterThan(NOON);
  expect(hours.length).toBeGreaterThanOrEqual(5);
  expect(hours.every((hour) => hour >= from && hour <= to)).toBe(true);
});

test("a record of another day does not stretch the strip", () => {
  expect(spanOf([checkIn(NOON - 100 * HOUR)], NOON, 900).from).toBeGreaterThan(NOON - 3 * HOUR);
});

test("hours that are named do not cover each other, on a narrow strip either", () => {
  const { from, to, hours } = spanOf([checkIn(NOON - 11 * HOUR)], NOON, 320);
  const places = [...hours, to].map((hour) => ((hour - from) / (to - from)) * 320);
  expect(hours.length).toBeGreaterThan(2);
  for (const [index, x] of places.slice(1).entries()) expect(x - places[index]!).toBeGreaterThanOrEqual(54);
});
