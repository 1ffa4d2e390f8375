// Reads lines of the record of what Django has sent.

import { expect, test } from "vitest";

import { activityOf, nodesOf } from "../src/stream/control";
import { sentOf } from "../src/stream/sent";

const line = { n: 7, at: 1_000, done: 1_004, group: "broadcast", system: "feed", message: { type: "send_event", event: "client_create", data: {} } };

test("a line of each system, with the name that says most", () => {
  expect(sentOf(line)).toEqual({ n: 7, at: 1_000, done: 1_004, group: "broadcast", system: "visitors", event: "client_create", topic: null, message: line.message, error: null });
  const named = (system: string, message: object, more: object = {}) => sentOf({ ...line, ...more, system, message })?.event;
  expect(named("parking", { type: "send_notification", notification_type: "new_reservation" }, { topic: "new_reservation" })).toBe("new_reservation");
  expect(named("attendance", { type: "attendance_update" })).toBe("attendance_update");
  expect(named("tracker", { type: "session_event", event: "attendanceUpdate" })).toBe("attendanceUpdate");
  expect(named("repair-shop", { type: "work_order_updated" })).toBe("work_order_updated");
});

test("an error is kept; what is not a line, or of another system, is left out", () => {
  expect(sentOf({ ...line, error: "Connection refused" })?.error).toBe("Connection refused");
  for (const other of [null, "x", {}, { ...line, n: "7" }, { ...line, system: "boards" }, { ...line, group: 1 }]) expect(sentOf(other)).toBeNull();
});

test("states of nodes and of the activity, as far as they are known", () => {
  expect(nodesOf([{ name: "node1", port: 1, state: "killed" }, { name: "node2", state: "asleep" }, {}])).toEqual([
    { name: "node1", state: "killed" },
    { name: "node2", state: "running" },
  ]);
  expect(nodesOf(null)).toEqual([]);
  expect(activityOf({ speed: 4 })).toEqual({ paused: false, speed: 4 });
});
