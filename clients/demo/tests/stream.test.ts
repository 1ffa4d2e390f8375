// A system's client, watched: what comes, what is missed, and the fact that is stated after something was broken.

import { createTestClient, type TestClient } from "@channelgate/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { createStream, type Stream } from "../src/stream/stream";
import { followWants, watch } from "../src/stream/watch";
import type { Sent } from "../src/stream/types";

let stream: Stream;
let client: TestClient;
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  stream = createStream();
  client = createTestClient({ now: Date.now() });
  followWants("class", client, stream);
  stop = watch("class", client, stream);
  client.connect();
  client.open();
  pass(100);
  client.frame({ event: "hello", data: { node: "node1", id: "1", v: 1 } });
});

afterEach(() => {
  stop();
  vi.useRealTimers();
});

/** The time of the page and that of the client. */
function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 50) {
    vi.advanceTimersByTime(Math.min(50, left));
    client.advance(Math.min(50, left));
    stream.tick();
  }
}

const sent = (n: number, more: Partial<Sent> = {}): void =>
  stream.sent({ n, at: Date.now(), system: "class", group: "session.1", event: "session-stats-update", topic: null, message: {}, error: null, done: Date.now(), ...more });
const comes = (n: number): void => client.frame({ event: "session-stats-update", data: { demo: { n, at: Date.now() - 4 } } });
const done = (what: string) => stream.broken({ begun: `${what} …`, what, atLeast: 1_000, done: Promise.resolve() });

test("what comes is counted and remembered with both of its sides; other systems' events are not this one's", () => {
  client.want("room", "1");
  comes(1);
  sent(1);
  client.frame({ event: "notification_received", data: { demo: { n: 2, at: 0 } } });
  pass(300);
  expect(stream.totals.get().total).toMatchObject({ sent: 1, shown: 1 });
  expect(stream.totals.get().arrivals.class).toBe(1);
  expect(stream.records.find("n1")).toMatchObject({ arrival: { node: "node1", came: Date.now() - 300 }, sent: { group: "session.1" }, fate: "shown" });
  expect(stream.samples()).toMatchObject([{ ms: 4 }]);
  expect(stream.serving.get()).toEqual({ class: "node1" });
});

test("a node is killed: the system was away, and what was sent meanwhile is loaded anew", async () => {
  client.onMissed(() => undefined);
  client.want("room", "1");
  comes(1);
  sent(1);
  pass(2_000);
  done("node1 was killed.");
  await Promise.resolve();
  client.drop();
  sent(2);
  pass(400);
  expect(stream.serving.get()).toEqual({});
  client.open();
  pass(50);
  await Promise.resolve();
  await vi.advanceTimersByTimeAsync(1);
  pass(4_000);
  await vi.advanceTimersByTimeAsync(300);
  pass(300);
  expect(stream.line.get()?.text).toMatch(/^node1 was killed\. Class was away for 0\.[45] s; what changed meanwhile is loaded anew where it is shown\. Sent 1, shown 0, loaded anew 1, lost 0\.$/);
});

test("after a reconnect no node serves the system until the new connection says which one", () => {
  client.drop();
  client.open();
  pass(300);
  comes(1);
  expect(stream.serving.get()).toEqual({});
  expect(stream.records.find("n1")?.arrival?.node).toBeNull();
  client.frame({ event: "hello", data: { node: "node2", id: "2", v: 1 } });
  client.drop();
  client.open();
  client.frame({ event: "hello", data: { node: "node2", id: "3", v: 1 } });
  comes(2);
  pass(300);
  expect(stream.serving.get()).toEqual({ class: "node2" });
  expect(stream.records.find("n2")?.arrival?.node).toBe("node2");
});

test("a Socket.IO connection, which knows its node before it is shown as open, is served by it", () => {
  let snapshot = { status: "connecting", recovery: "live", missed: null, node: null as string | null, id: null as string | null };
  let look = () => {};
  const socketIo = { snapshot: () => snapshot, on: () => () => {}, subscribe: (listener: () => void) => ((look = listener), () => {}) } as unknown as TestClient;
  const node = vi.fn();
  watch("workshop", socketIo, { arrived() {}, want() {}, away() {}, live() {}, node });
  for (const change of [{ node: "node1", id: "1" }, { status: "open" }, { status: "reconnecting" }, { node: "node2", id: "2" }, { status: "open" }]) {
    snapshot = { ...snapshot, ...change };
    look();
  }
  expect(node.mock.calls.map(([, name]) => name as string | null)).toEqual(["node1", null, "node2"]);
});

test("a miss that is not mended stays said as such", async () => {
  client.want("room", "1");
  comes(1);
  sent(1);
  done("Redis was restarted.");
  await Promise.resolve();
  client.gap("backend");
  sent(2);
  pass(30_000);
  expect(stream.line.get()).toMatchObject({ isBad: false, text: "Redis was restarted. No connection was lost, but Class may have missed something; 1 event of that time is not loaded yet. Sent 1, shown 0, loaded anew 0, waiting 1, lost 0." });
});

test("what waited already is settled together with what follows, so that the counts add up", async () => {
  client.want("room", "1");
  comes(1);
  sent(1);
  client.gap("backend");
  sent(2);
  pass(2_000);
  done("Redis was restarted.");
  await Promise.resolve();
  client.fresh();
  pass(4_000);
  expect(stream.line.get()?.text).toMatch(/Sent 1, shown 0, loaded anew 1, lost 0\.$/);
});

test("a loss that no client reports is a bad fact", async () => {
  client.want("room", "1");
  comes(1);
  sent(1);
  done("Nothing happened.");
  await Promise.resolve();
  sent(2);
  pass(13_000);
  expect(stream.line.get()).toMatchObject({ isBad: true, text: "Nothing happened. No connection was lost. Sent 1, shown 0, loaded anew 0, lost 1. No client reported it." });
});

test.each(["lost", "loadedAnew"] as const)("what was %s before, and comes after all, is shown in the next fact, and nothing is below zero", async (fate) => {
  client.want("room", "1");
  comes(1);
  sent(1);
  sent(2);
  if (fate === "loadedAnew") {
    client.gap("backend");
    client.fresh();
  }
  pass(11_000);
  expect(stream.totals.get().total[fate]).toBe(1);
  done("Nothing happened.");
  await Promise.resolve();
  comes(2);
  pass(4_000);
  expect(stream.line.get()?.text).toMatch(/Sent 1, shown 1, loaded anew 0, lost 0\.$/);
});

test("a fact waits until what was missed is loaded anew, also without an event that counts, and says so if that takes long", async () => {
  client.onMissed(() => new Promise<void>(() => undefined));
  for (const isLong of [false, true]) {
    done("Redis was restarted.");
    await Promise.resolve();
    client.gap("backend");
    pass(10_000);
    expect(stream.line.get()?.text).toBe("Redis was restarted. …");
    if (isLong) pass(15_000);
    else client.fresh();
    pass(1_000);
    expect(stream.line.get()?.text).toContain(`Class may have missed something; what changed meanwhile is ${isLong ? "not loaded yet" : "loaded anew where it is shown"}.`);
  }
});

test("an event in a topic or room of a new connection counts from the first one that comes, however late the node reads that it is wanted", async () => {
  client.onMissed(() => undefined);
  client.want("room", "1");
  comes(1);
  sent(1);
  client.drop();
  client.open();
  await vi.advanceTimersByTimeAsync(1);
  // The node stands still, and joins the room after this event.
  pass(3_000);
  sent(2);
  pass(2_000);
  sent(3);
  comes(3);
  pass(12_000);
  expect(stream.ledger.total()).toMatchObject({ sent: 2, shown: 2, lost: 0 });
  sent(4);
  pass(12_000);
  expect(stream.ledger.total()).toMatchObject({ sent: 3, shown: 2, lost: 1 });
});

test("a miss over an open connection changes nothing about rooms: what is lost after it counts", async () => {
  client.onMissed(() => undefined);
  client.want("room", "1");
  comes(1);
  sent(1);
  client.gap("backend");
  pass(5_000);
  await vi.advanceTimersByTimeAsync(1);
  pass(3_000);
  expect(client.snapshot().recovery).toBe("live");
  sent(2);
  pass(12_000);
  expect(stream.ledger.total()).toMatchObject({ sent: 2, lost: 1 });
});

test.each([true, false])("a clock that is set back hides nothing of what is missed next (an event comes before: %s)", async (isFollowed) => {
  client.onMissed(() => undefined);
  client.want("room", "1");
  comes(1);
  sent(1);
  pass(5_000);
  vi.setSystemTime(Date.now() - 30_000);
  if (isFollowed) {
    comes(2);
    sent(2);
  }
  pass(2_000);
  client.drop();
  sent(3);
  pass(1_500);
  client.open();
  await vi.advanceTimersByTimeAsync(1);
  pass(12_000);
  expect(stream.ledger.total()).toMatchObject({ loadedAnew: 1, lost: 0 });
});

test("what is drawn of an event that is waited for is said when it comes, before its fate, and when it does not count any more", async () => {
  const seen: unknown[] = [];
  stream.listen({ arrived: ({ n }) => seen.push(["arrived", n]), fate: (n, fate) => seen.push([n, fate]) });
  const end = client.want("room", "1");
  comes(1);
  sent(1);
  sent(2);
  sent(3);
  comes(2);
  end();
  await Promise.resolve();
  expect(seen).toEqual([["arrived", 1], [1, "shown"], [2, "pending"], [3, "pending"], ["arrived", 2], [2, "shown"], [3, null]]);
});

test("a fact of the control process keeps its time", () => {
  stream.note("node2 was killed.", 990_000);
  expect(stream.facts.get()).toEqual([]);
  vi.advanceTimersByTime(300);
  expect(stream.facts.get()).toEqual([{ at: 990_000, text: "node2 was killed.", isBad: false }]);
});

test("an event that comes while the page stands still is not lost", () => {
  client.want("room", "1");
  comes(1);
  sent(1);
  pass(3_000);
  sent(2);
  vi.advanceTimersByTime(60_000);
  stream.tick();
  expect(stream.ledger.total().lost).toBe(0);
  comes(2);
  expect(stream.ledger.total()).toMatchObject({ sent: 2, shown: 2, lost: 0 });
});

test("what was sent after the last event that came may have been missed, however late the page has read that", async () => {
  client.onMissed(() => undefined);
  client.want("room", "1");
  comes(1);
  sent(1);
  pass(3_000);
  // The page stands still: it reads an event, and that the connection is lost, five seconds later.
  const at = Date.now();
  vi.advanceTimersByTime(5_000);
  client.advance(5_000);
  stream.tick();
  client.frame({ event: "session-stats-update", data: { demo: { n: 2, at } } });
  sent(2, { at, done: at });
  sent(3, { at: at + 1_000, done: at + 1_000 });
  client.drop();
  client.open();
  await vi.advanceTimersByTimeAsync(1_000);
  pass(14_000);
  await vi.advanceTimersByTimeAsync(300);
  pass(300);
  expect(stream.ledger.total()).toMatchObject({ sent: 3, shown: 2, loadedAnew: 1 });
});

test("numbers that begin anew with the demonstration are other events", () => {
  client.want("room", "1");
  for (const n of [1, 2, 3]) {
    comes(n);
    sent(n);
  }
  stream.restarted();
  expect(stream.records.find("n2")).toBeNull();
  comes(1);
  sent(1);
  sent(2);
  pass(3_000);
  sent(3);
  pass(12_000);
  expect(stream.ledger.total()).toMatchObject({ sent: 6, shown: 4 });
});

test("a break may find out that it did something else", async () => {
  stream.broken({ begun: "x …", what: "Django sent 500.", atLeast: 0, done: Promise.resolve("Django sent 3 of 500.") });
  await vi.advanceTimersByTimeAsync(1);
  pass(3_000);
  expect(stream.line.get()?.text).toMatch(/^Django sent 3 of 500\./);
});

test("a break that failed states no fact of its own", async () => {
  stream.broken({ begun: "x …", what: "x.", atLeast: 0, done: Promise.reject(new Error("refused")) });
  await vi.advanceTimersByTimeAsync(1);
  pass(3_000);
  expect(stream.line.get()?.text).toBe("x …");
  expect(stream.facts.get()).toEqual([]);
});

test("rooms are followed as often as they are wanted, also by two clients of the system", async () => {
  const wanted: unknown[] = [];
  const other = createTestClient();
  const want = (...what: unknown[]) => void wanted.push(what);
  followWants("workshop", other, { want });
  followWants("workshop", other, { want });
  const stops = [other.want("room", "a"), other.want("room", "a")];
  stops[0]!();
  stops[0]!();
  await Promise.resolve();
  expect(wanted).toEqual([["workshop", "room", "a", true]]);
  // Released and wanted again at once: nothing has changed.
  stops[1]!();
  const again = other.want("room", "a");
  await Promise.resolve();
  expect(wanted).toEqual([["workshop", "room", "a", true]]);
  again();
  await Promise.resolve();
  expect(wanted).toEqual([
    ["workshop", "room", "a", true],
    ["workshop", "room", "a", false],
  ]);
});
