// What the page of visitors makes of its data: who fits a filter, and who was at the door.

import { createTestClient } from "@channelgate/client/testing";
import type { Client, EmployeeAttendance, FeedEvents } from "@channelgate/react/feed";
import { expect, test } from "vitest";

import { createList } from "../../react/src/list";
import { fits, lastDoor, lastSeen, latest, passesOf } from "../src/pages/visitors/data";
import { PEOPLE } from "../src/session";

const at = (minute: number) => `2026-03-02T09:${`${minute}`.padStart(2, "0")}:00Z`;
const pass = (employee_id: number, minute: number, device_id = 1): EmployeeAttendance => ({ employee_id, device_id, image: "", datetime: at(minute), score: 0.97 });

/** The page's list of times at the door, in the state `get`; `answers` are those of Django, in their order. */
function door(...answers: (() => Promise<EmployeeAttendance[]>)[]) {
  const client = createTestClient<FeedEvents>();
  const list = createList<EmployeeAttendance>(client, () => ({ ...passesOf(PEOPLE[0]!), load: () => answers.shift()!() }), null);
  list.subscribe(() => undefined);
  client.connect();
  const seen = () => [...latest(list.shown().items).values()].map(({ employee_id, datetime }) => [employee_id, datetime]);
  return { client, list, seen };
}

/** The client shows a connection as open a moment after it is. */
async function open(client: ReturnType<typeof door>["client"]) {
  await expect.poll(() => client.connections).toBeGreaterThan(0);
  client.open();
  client.advance(1_000);
}

test("of each employee the latest time at the door counts, in whatever order they come", async () => {
  const { client, seen } = door(() => Promise.resolve([pass(1, 5), pass(2, 3), pass(1, 2)]));
  await open(client);
  await expect.poll(seen).toEqual([[1, at(5)], [2, at(3)]]);
  client.receive("employee_attendance", pass(2, 9));
  client.receive("employee_attendance", pass(1, 4));
  await expect.poll(seen).toEqual([[1, at(5)], [2, at(9)]]);
});

test("if the latest time is deleted, the one before counts; if an older one is, nothing changes", async () => {
  const { client, seen } = door(() => Promise.resolve([pass(1, 2), pass(1, 5), pass(1, 8)]));
  await open(client);
  await expect.poll(seen).toEqual([[1, at(8)]]);
  client.receive("employee_attendance_delete", { employee_id: 1, datetime: at(2) });
  // Django's events write the same moment in another way than its REST does.
  client.receive("employee_attendance_delete", { employee_id: 1, datetime: "2026-03-02T09:08:00+00:00" });
  await expect.poll(seen).toEqual([[1, at(5)]]);
});

test("a time that is deleted during a load does not come back with its answer", async () => {
  let answer: (rows: EmployeeAttendance[]) => void = () => undefined;
  const { client, list, seen } = door(() => new Promise((resolve) => (answer = resolve)));
  await open(client);
  await new Promise((resolve) => setTimeout(resolve));
  client.receive("employee_attendance_delete", { employee_id: 1, datetime: at(5) });
  answer([pass(1, 5), pass(2, 3)]);
  await expect.poll(() => list.shown().status).toBe("ready");
  expect(seen()).toEqual([[2, at(3)]]);
});

const visitor: Client = { id: 7, first_seen: at(1), last_seen: at(4), visit_count: 2, gender: "female", age: 31, image: "", visit_histories: [] };

test("filters: by how often somebody came and by what the camera saw", () => {
  expect((["all", "visitors", "employees", "new", "returning", "women", "men"] as const).filter((filter) => fits(filter, visitor))).toEqual(["all", "visitors", "returning", "women"]);
  expect(fits("new", { ...visitor, visit_count: 1 })).toBe(true);
  expect(fits("men", { ...visitor, gender: "unknown" })).toBe(false);
});

test("a visit of an event says at which door somebody was, and when", () => {
  expect([lastDoor(visitor), lastSeen(visitor)]).toEqual([null, Date.parse(at(4))]);
  const came = { ...visitor, visit_histories: [{ datetime: at(6), device_id: 3 }] };
  expect([lastDoor(came), lastSeen(came)]).toEqual(["Door 3", Date.parse(at(6))]);
});
