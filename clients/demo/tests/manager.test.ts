// What the page of the manager makes of the day: states, and figures that are known only when the day is.

import { WebSocketProvider } from "@channelgate/react/dashboard";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, expect, test, vi } from "vitest";

import { asOfToday, nameOf, stateOf, type CheckIn } from "../src/pages/manager/data";
import { DayFigures } from "../src/pages/manager/figures";
import { SessionProvider } from "../src/session";

afterEach(() => vi.unstubAllGlobals());

const CAME = "2026-03-02T09:31:07Z";
const checkIn: CheckIn = { employee_id: "EMP001", employee_name: "Meera Joshi", status: "present", date: "2026-03-02", timestamp: CAME, device: "Garage", isLate: null, check_in_time: CAME };

test("who has checked out has left, on time or late", () => {
  expect(stateOf(checkIn)).toBe("present");
  expect(stateOf({ ...checkIn, status: "late" })).toBe("late");
  expect(stateOf({ ...checkIn, isLate: true })).toBe("late");
  expect(stateOf({ ...checkIn, status: "late", check_out_time: CAME })).toBe("left");
  expect(stateOf({ ...checkIn, check_in_time: null })).toBe("absent");
});

test("after midnight, who has no record of the day is absent", () => {
  const yesterday = { ...checkIn, employee_id: "EMP002", date: "2026-03-01", status: "late", isLate: true, check_out_time: CAME };
  const [today, former] = asOfToday([checkIn, yesterday]);
  expect(today).toBe(checkIn);
  expect(stateOf(former!)).toBe("absent");
  expect([former!.check_in_time, former!.check_out_time, former!.device]).toEqual([null, null, null]);
});

test("a record that was deleted is of no day", () => {
  const deleted = { ...checkIn, date: null };
  expect(asOfToday([deleted])).toEqual([deleted]);
  expect(nameOf({ ...checkIn, employee_name: null })).toBe("EMP001");
});

/** The figures as they are written down before anything is loaded: names and values. */
function figures(staff: readonly CheckIn[] | null): string[] {
  vi.stubGlobal("location", { search: "", pathname: "/" });
  vi.stubGlobal("sessionStorage", { getItem: () => null });
  const page = createElement(SessionProvider, null, createElement(WebSocketProvider, { transport: "websocket", token: "", url: "ws://127.0.0.1:9/" }, createElement(DayFigures, { staff })));
  return [...renderToStaticMarkup(page).matchAll(/<(?:dt|dd)[^>]*>(.*?)<\/(?:dt|dd)>/g)].map(([, text]) => text!.replace(/<[^>]*>/g, ""));
}

test("no figure is a number before the employees are loaded", () => {
  expect(figures(null)).toEqual(["Checked in", "–", "Late", "–", "Absent", "–", "Employees", "–", "Left", "–"]);
});

test("what the package counts stays unknown until it has loaded the day, too", () => {
  expect(figures([checkIn, { ...checkIn, check_out_time: CAME }])).toEqual(["Checked in", "–", "Late", "–", "Absent", "–", "Employees", "2", "Left", "1"]);
});
