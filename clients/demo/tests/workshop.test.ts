// What the workshop makes of events: orders in their columns, and who is at the board.

import { expect, test } from "vitest";

import { colleaguesOf, othersThan, type Activity } from "../src/pages/workshop/colleagues";
import { orderAfter, withNote, withoutNote, type Order } from "../src/pages/workshop/data";
import { PEOPLE } from "../src/session";

const event = (status: string, at: string, more = {}) => ({
  workOrder: { id: 7, status, customer_name: "Chen", device: "Pixel 8", description: "", technician_id: 5, technician_name: "Tom", updated_at: at, ...more },
});
const none = () => undefined;
const at = (seconds: number) => `2026-03-02T09:00:${`${seconds}`.padStart(2, "0")}.000Z`;

test("an order that came to its column by an event has moved, and stays so until it moves again", () => {
  const loaded: Order = { ...orderAfter(event("pending", at(1)), none), moved: null };
  const changed = orderAfter(event("pending", at(2), { description: "Screen" }), () => loaded);
  expect(changed).toMatchObject({ status: "pending", text: "Screen", technician: 5, moved: null });
  const moved = orderAfter(event("in_progress", at(3)), () => changed);
  expect(moved.moved).toBe(Date.parse(at(3)));
  expect(orderAfter(event("in_progress", at(9)), () => moved).moved).toBe(Date.parse(at(3)));
});

test("a note is the last line, with its author, and old lines go", () => {
  const tia = PEOPLE.find(({ username }) => username === "tia")!;
  expect(withNote("Does not charge", tia, "new battery")).toBe("Does not charge\nTia: new battery");
  expect(withNote("1\n2\n3\n4\n5\n6", tia, "7")).toBe("2\n3\n4\n5\n6\nTia: 7");
});

test("a note that is saved is taken out of its field, unless somebody has typed on", () => {
  const notes = new Map([[7, "new battery"], [8, "x"]]);
  expect(withoutNote(notes, 7, "new battery")).toEqual(new Map([[8, "x"]]));
  expect(withoutNote(notes, 7, "new")).toBe(notes);
});

const online = (userId: number, seconds: number) => ({ userId, userName: `N${userId}`, timestamp: at(seconds) });
const says = (id: number, status: string, seconds: number, workOrderId = 3) => ({ id: `${id}`, name: `N${id}`, status, data: { userId: id, status, workOrderId, timestamp: at(seconds) } });
const told = (userId: number, status: "online" | "offline", seconds: number): Activity =>
  new Map([[`${userId}`, { ...online(userId, seconds), userRole: "technician", status }]]);
const NOBODY: Activity = new Map();

test("who came online is there, and not this person", () => {
  expect(colleaguesOf([online(4, 1), online(5, 1)], [], NOBODY, 4)).toEqual([{ id: "5", name: "N5", order: null }]);
});

test("who is not known yet is not shown among the others, so that nothing moves when the ids are there", () => {
  expect(colleaguesOf([online(4, 1), online(5, 1)], [], NOBODY, null)).toEqual([]);
  const colleagues = colleaguesOf([online(5, 1), online(6, 1)], [], NOBODY, 4);
  expect(othersThan([undefined], colleagues)).toEqual([]);
  expect(othersThan([5], colleagues)).toEqual([{ id: "6", name: "N6", order: null }]);
});

test("who looks at an order says which; who left the board is gone, although online", () => {
  expect(colleaguesOf([online(5, 1)], [says(5, "viewing", 2)], NOBODY, 4)).toEqual([{ id: "5", name: "N5", order: 3 }]);
  expect(colleaguesOf([online(5, 1)], [says(5, "board", 3)], NOBODY, 4)).toEqual([{ id: "5", name: "N5", order: null }]);
  expect(colleaguesOf([online(5, 1)], [says(5, "left", 3)], NOBODY, 4)).toEqual([]);
});

test("of what the node sends to a manager and what somebody says, the later counts", () => {
  expect(colleaguesOf([], [says(5, "viewing", 2)], told(5, "offline", 3), 2)).toEqual([]);
  expect(colleaguesOf([], [says(5, "viewing", 4)], told(5, "offline", 3), 2)).toEqual([{ id: "5", name: "N5", order: 3 }]);
  expect(colleaguesOf([], [], told(5, "online", 3), 2)).toEqual([{ id: "5", name: "N5", order: null }]);
  expect(colleaguesOf([], [says(5, "left", 4)], told(5, "online", 3), 2)).toEqual([]);
  expect(colleaguesOf([], [says(5, "left", 2)], told(5, "online", 3), 2)).toEqual([{ id: "5", name: "N5", order: null }]);
});
