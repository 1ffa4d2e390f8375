// The stream of what Django has sent: its lines, and how a page follows it.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { activityOf, nodesOf } from "../src/stream/control";
import { followControl, followSent, sentOf, takersOf } from "../src/stream/sent";

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

/** As the browser's, without a network. */
class FakeSource extends EventTarget {
  static readonly CLOSED = 2;
  static all: FakeSource[] = [];
  readyState = 1;
  constructor(readonly url: string) {
    super();
    FakeSource.all.push(this);
  }
  close(): void {
    this.readyState = FakeSource.CLOSED;
  }
  /** The browser gives it up: the answer was not a stream. */
  fail(): void {
    this.close();
    this.dispatchEvent(new Event("error"));
  }
  gives(name: string, data: unknown, lastEventId = ""): void {
    this.dispatchEvent(Object.assign(new Event(name), { data: JSON.stringify(data), lastEventId }));
  }
}

const page = Object.assign(new EventTarget(), { hidden: false });
const hide = (hidden: boolean) => {
  page.hidden = hidden;
  page.dispatchEvent(new Event("visibilitychange"));
};
const open = () => FakeSource.all.filter(({ readyState }) => readyState !== FakeSource.CLOSED);
const events = () => ({ sent: vi.fn(), nodes: vi.fn(), activity: vi.fn(), fact: vi.fn(), restarted: vi.fn() });
let stop = () => {};

describe("followed", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("EventSource", FakeSource);
    vi.stubGlobal("document", page);
    FakeSource.all = [];
    page.hidden = false;
  });
  afterEach(() => {
    stop();
    expect(open()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test("a tab that is hidden for half a minute lets go of the stream, and goes on after the last entry, of whatever kind", () => {
    const taken = events();
    stop = followSent(taken);
    const first = FakeSource.all[0]!;
    expect(first.url).toBe("/demo/control/sent");
    first.gives("message", line, "9-1");
    first.gives("fact", { at: 5, text: "node2 was killed." }, "9-2");
    first.gives("run", "9");
    expect(taken.fact).toHaveBeenCalledWith({ at: 5, text: "node2 was killed." });
    hide(true);
    vi.advanceTimersByTime(29_000);
    expect(open()).toEqual([first]);
    vi.advanceTimersByTime(2_000);
    expect(open()).toEqual([]);
    hide(false);
    expect(FakeSource.all.map(({ url }) => url)).toEqual(["/demo/control/sent", "/demo/control/sent?last=9-2"]);
  });

  test("a tab that is hidden for a moment keeps it", () => {
    stop = followSent(events());
    hide(true);
    vi.advanceTimersByTime(20_000);
    hide(false);
    vi.advanceTimersByTime(60_000);
    expect(FakeSource.all).toHaveLength(1);
    expect(open()).toHaveLength(1);
  });

  test("a tab that is opened in the background lets go of it, too", () => {
    page.hidden = true;
    stop = followSent(events());
    vi.advanceTimersByTime(31_000);
    expect(open()).toEqual([]);
  });

  test("one that the browser gives up is opened again, once, and stays open in a tab that was hidden meanwhile", () => {
    stop = followSent(events());
    hide(true);
    vi.advanceTimersByTime(29_000);
    FakeSource.all[0]!.fail();
    hide(false);
    expect(open()).toHaveLength(1);
    vi.advanceTimersByTime(60_000);
    expect(FakeSource.all).toHaveLength(2);
    expect(open()).toHaveLength(1);
    // It fails in a hidden tab, is opened again, and is let go in time.
    hide(true);
    FakeSource.all[1]!.fail();
    vi.advanceTimersByTime(2_000);
    expect(open()).toHaveLength(1);
    vi.advanceTimersByTime(60_000);
    expect(open()).toEqual([]);
    hide(false);
    vi.advanceTimersByTime(60_000);
    expect(open()).toHaveLength(1);
  });

  test("half a line says nothing, and the next one is read", () => {
    const taken = events();
    stop = followSent(taken);
    FakeSource.all[0]!.dispatchEvent(Object.assign(new Event("message"), { data: '{"n":', lastEventId: "9-1" }));
    FakeSource.all[0]!.gives("message", line, "9-2");
    expect(taken.sent).toHaveBeenCalledOnce();
  });

  const answers = (...all: (Response | Error)[]) =>
    vi.stubGlobal("fetch", () => {
      const next = all.shift()!;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    });
  const config = () => Response.json({ nodes: [{ name: "node1", state: "running" }], activity: { paused: true, speed: 2 } });

  test("a control process that does not answer for a moment is asked again", async () => {
    const taken = events();
    const absent = vi.fn();
    answers(new Response("", { status: 502 }), new TypeError("Failed to fetch"), config());
    stop = followControl(taken, absent);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(FakeSource.all).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(taken.nodes).toHaveBeenCalledWith([{ name: "node1", state: "running" }]);
    expect(taken.activity).toHaveBeenCalledWith({ paused: true, speed: 2 });
    expect(open()).toHaveLength(1);
    expect(absent).not.toHaveBeenCalled();
  });

  test("where there is none it is not asked again", async () => {
    for (const answer of [new Response(null, { status: 204 }), new Response("", { status: 404 }), new Response("<html>", { headers: { "Content-Type": "text/html" } })]) {
      const absent = vi.fn();
      answers(answer);
      stop = followControl(events(), absent);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(absent).toHaveBeenCalledOnce();
    }
    expect(FakeSource.all).toEqual([]);
  });

  test("a page that is left asks no more", async () => {
    answers(new Response("", { status: 502 }), config());
    stop = followControl(events(), vi.fn());
    await vi.advanceTimersByTimeAsync(100);
    stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSource.all).toEqual([]);
  });
});
