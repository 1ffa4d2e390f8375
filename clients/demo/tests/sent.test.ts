// Reads lines of the record of what Django has sent.

import { expect, test, vi } from "vitest";

import { activityOf, nodesOf } from "../src/stream/control";
import { sentOf, takersOf } from "../src/stream/sent";

const line = { n: 7, at: 1_000, done: 1_004, group: "broadcast", system: "feed", message: { type: "send_event", event: "client_create", data: {} } };

test("a line of each system, with the name that says most", () => {
  expect(sentOf(line)).toEqual({ n: 7, at: 1_000, done: 1_004, group: "broadcast", system: "visitors", event: "client_create", topic: null, message: line.message, error: null });
  const named = (system: string, message: object, more: object = {}) => sentOf({ ...line, ...more, system, message })?.event;
  expect(named("parking", { type: "send_notification", notification_type: "new_reservation" }, { topic: "new_reservation" })).toBe("new_reservation");
  expect(named("attendance", { type: "attendance_update" })).toBe("attendance_update");
  expect(named("tracker", { type: "session_event", event: "attendanceUpdate" })).toBe("attendanceUpdate");
  expect(named("repair-shop", { type: "work_order_updated" })).toBe("work_order_updated");
});

test("the topic of a notification, by which the ledger knows whether the page wants it", () => {
  expect(sentOf({ ...line, system: "parking", topic: "new_reservation" })?.topic).toBe("new_reservation");
  expect(sentOf({ ...line, topic: 7 })?.topic).toBeNull();
});

test("another run of the demonstration is noticed, the first one and the same one are not", () => {
  const events = { sent: vi.fn(), nodes: vi.fn(), activity: vi.fn(), fact: vi.fn(), restarted: vi.fn() };
  const takers = takersOf(events);
  takers.get("run")!("a");
  takers.get("run")!("a");
  expect(events.restarted).not.toHaveBeenCalled();
  takers.get("run")!("b");
  expect(events.restarted).toHaveBeenCalledOnce();
  takers.get("message")!(line);
  takers.get("message")!({ ...line, system: "boards" });
  expect(events.sent).toHaveBeenCalledOnce();
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
