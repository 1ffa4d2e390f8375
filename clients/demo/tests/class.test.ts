// What the class makes of events: seats, and sessions that are opened and closed.

import { expect, test } from "vitest";

import { attendeesOf, isHere, isOpen, seatOf, sessionAfter, textOf, type ClassSession, type Seat } from "../src/pages/class/data";

const CAME = "2026-03-02T09:31:07Z";
const update = { userId: 9, userName: "Ada Berg", status: "late", checkInTime: CAME, sessionId: "1" } as const;

test("a mark takes a seat of its session, and of no other", () => {
  expect(seatOf(1, update)).toEqual({ userId: 9, userName: "Ada Berg", status: "late", checkInTime: CAME, isLive: true });
  expect(seatOf(2, update)).toBeNull();
});

test("a name that an event does not have stays", () => {
  const before: Seat = { userId: 9, userName: "Ada Berg", status: null, checkInTime: null };
  expect(seatOf(1, { ...update, userName: null }, before)?.userName).toBe("Ada Berg");
});

test("who has left is not there", () => {
  const seats: Seat[] = (["present", "late", "absent", null] as const).map((status, index) => ({ userId: index, userName: `N${index}`, status, checkInTime: status && CAME }));
  expect(seats.filter(isHere).map(({ userId }) => userId)).toEqual([0, 1]);
  expect(attendeesOf(seats).map(({ status }) => status)).toEqual(["present", "late"]);
});

test("the moderator's update closes the session that it names, and changes nothing else of it", () => {
  const session: ClassSession = { id: 1, title: "Lecture", status: "active", capacity: 28 };
  const sent = { updatedBy: 3, timestamp: CAME };
  const closed = sessionAfter({ sessionId: 1, status: "completed", ...sent }, () => session)!;
  expect(closed).toEqual({ ...session, status: "completed" });
  expect(isOpen(closed)).toBe(false);
  expect(sessionAfter({ sessionId: 1, room: "B2", ...sent }, () => session)).toEqual(session);
  expect(sessionAfter({ sessionId: 2, status: "completed", ...sent }, () => undefined)).toBeNull();
});

test("an update of a session that says nothing of its status has changed it", () => {
  expect(textOf("sessionUpdated", { sessionId: 1, status: "active" })).toBe("open");
  expect(textOf("sessionUpdated", { sessionId: 1, status: "completed" })).toBe("closed");
  expect(textOf("sessionUpdated", { sessionId: 1, room: "B2" })).toBe("changed");
});
