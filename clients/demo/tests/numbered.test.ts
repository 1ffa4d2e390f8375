// Finds the number of an event in the frames of all five systems, and the system that it belongs to.

import { expect, test } from "vitest";

import { isOf, numberOf } from "../src/stream/numbered";

test("the number is found where each system's dialect puts it", () => {
  const demo = { n: 7, at: 1_000 };
  expect(numberOf({ id: 1, demo })).toEqual(demo);
  expect(numberOf({ type: "notification", data: { demo } })).toEqual(demo);
  expect(numberOf("text", { args: [] }, { workOrderId: 1, data: {}, demo })).toEqual(demo);
});

test("an event without a number, or with another thing of that name, has none", () => {
  for (const data of [null, undefined, "demo", 1, [], { demo: 1 }, { demo: { n: "7", at: 1 } }, { data: null }]) expect(numberOf(data)).toEqual({ n: null, at: null });
});

test("of two sockets in one namespace each event belongs to one", () => {
  for (const event of ["notification_received", "notification_count_updated", "work_order_updated", "work_order_assignment_update", "repair_ticket_updated", "user_online", "user_typing_start"]) {
    expect([isOf("class", event), isOf("workshop", event)]).toEqual([false, true]);
  }
  for (const event of ["session-stats-update", "attendanceUpdate", "notification"]) expect([isOf("class", event), isOf("workshop", event)]).toEqual([true, false]);
  for (const event of ["hello", "gap", "pong", "connection_established"]) expect(isOf("manager", event)).toBe(false);
});
