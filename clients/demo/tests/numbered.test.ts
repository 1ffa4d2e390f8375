// Finds the number of an event in the frames of all five systems, and the system that it belongs to.

import { readFileSync } from "node:fs";

import { typed } from "@channelgate/client";
import { expect, test } from "vitest";

import { isOf, numberOf, PRESETS } from "../src/stream/numbered";

interface Frame {
  readonly system: string;
  readonly direction: "to-client" | "to-server";
  readonly wire: string;
  readonly event: string | null;
  readonly data?: unknown;
}

const frames = (JSON.parse(readFileSync(new URL("../../vectors/frames.json", import.meta.url), "utf8")) as Frame[]).filter(
  ({ direction, event, system }) => direction === "to-client" && event !== null && system in PRESETS && isOf(PRESETS[system]!, event),
);

test("the number is found in the frames of each system, where the channel layer's event ends up in them", () => {
  expect([...new Set(frames.map(({ system }) => system))].sort()).toEqual(Object.keys(PRESETS).sort());
  const demo = { n: 7, at: 1_000 };
  for (const { wire, event, data } of frames) {
    if (wire.startsWith("42")) {
      const numbered = { ...(data as object), demo };
      expect(numberOf(numbered, { event, data: numbered, args: [numbered] }), wire).toEqual(demo);
    } else {
      // The layer puts it into the event's data, if there are any.
      const frame = JSON.parse(wire) as { data?: object };
      const numbered = frame.data ? { ...frame, data: { ...frame.data, demo } } : { ...frame, demo };
      expect(numberOf(typed.read(numbered)?.data, numbered), wire).toEqual(demo);
    }
  }
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
