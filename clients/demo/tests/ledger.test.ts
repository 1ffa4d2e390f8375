// The books of the demonstration: what was sent, what came, what was missed and mended.

import { expect, test } from "vitest";

import { createLedger, tallyOf } from "../src/stream/ledger";
import type { Fate, Sent } from "../src/stream/types";
import type { SystemId } from "../src/systems";

const event = (n: number, at: number, more: Partial<Sent> = {}) => ({ n, at, done: at, system: "visitors" as SystemId, group: "broadcast", topic: null, error: null, ...more });

/** A ledger whose feed has begun: event 1 has come. */
function begun() {
  const fates: [number, Fate | null][] = [];
  const ledger = createLedger((n, fate) => void fates.push([n, fate]));
  ledger.sent(event(1, 0), 1);
  ledger.arrived("visitors", 1, 2);
  return { ledger, fates };
}

test("a group counts from its first event that comes, whichever of both sides is known first", () => {
  const ledger = createLedger();
  ledger.sent(event(1, 0), 0);
  ledger.tick(60_000);
  expect(ledger.total().sent).toBe(0);
  ledger.arrived("visitors", 2, 60_001);
  ledger.sent(event(2, 60_000), 60_002);
  ledger.sent(event(3, 60_000), 60_003);
  expect(ledger.tally("visitors")).toMatchObject({ sent: 2, shown: 1 });
  ledger.arrived("visitors", 3, 60_004);
  ledger.arrived("visitors", 3, 60_005);
  expect(ledger.total()).toEqual({ sent: 2, shown: 2, loadedAnew: 0, waiting: 0, lost: 0, failedToPublish: 0 });
});

test("what does not come within 10 s of being known, and no client reports, is lost", () => {
  const { ledger, fates } = begun();
  // Redis stood still: it was sent when it was known, not when Django began.
  ledger.sent(event(2, 100), 6_000);
  ledger.tick(15_900);
  expect(ledger.tally("visitors")).toMatchObject({ sent: 2, shown: 1, lost: 0 });
  ledger.tick(16_000);
  expect(ledger.tally("visitors").lost).toBe(1);
  expect(fates.at(-1)).toEqual([2, "lost"]);
});

test("what comes late is shown after all", () => {
  const { ledger } = begun();
  ledger.sent(event(2, 100), 100);
  ledger.tick(19_000);
  expect(ledger.tally("visitors")).toMatchObject({ sent: 2, shown: 1, lost: 1 });
  ledger.arrived("visitors", 2, 19_001);
  expect(ledger.tally("visitors")).toMatchObject({ sent: 2, shown: 2, lost: 0 });
});

test("while the miss is open it waits, and when it is mended it is loaded anew", () => {
  const { ledger, fates } = begun();
  ledger.away("visitors", 2_000);
  ledger.sent(event(2, 2_100), 2_100);
  ledger.tick(3_200);
  expect(ledger.tally("visitors")).toMatchObject({ waiting: 1, lost: 0 });
  ledger.live("visitors", 4_000);
  ledger.tick(4_100);
  expect(ledger.tally("visitors")).toEqual({ sent: 2, shown: 1, loadedAnew: 1, waiting: 0, lost: 0, failedToPublish: 0 });
  expect(fates.map(([, fate]) => fate)).toEqual(["shown", "pending", "waiting", "anew"]);
});

test("a window is one second wider on both sides, and no wider", () => {
  const { ledger } = begun();
  ledger.away("visitors", 10_000);
  ledger.live("visitors", 20_000);
  [8_999, 9_000, 21_000, 21_001].forEach((at, index) => ledger.sent(event(index + 2, at), 21_001));
  ledger.tick(32_000);
  expect([2, 3, 4, 5].map(ledger.fateOf)).toEqual(["lost", "anew", "anew", "lost"]);
});

test("a miss that begins earlier than it seemed takes what was counted as lost", () => {
  const { ledger } = begun();
  ledger.sent(event(2, 1_000), 1_000);
  ledger.tick(17_000);
  expect(ledger.total().lost).toBe(1);
  ledger.away("visitors", 18_000);
  ledger.tick(18_000);
  expect(ledger.total().lost).toBe(1);
  ledger.away("visitors", 1_500);
  ledger.tick(18_001);
  expect(ledger.total()).toMatchObject({ lost: 0, waiting: 1 });
  ledger.live("visitors", 19_000);
  ledger.tick(19_001);
  expect(ledger.total()).toMatchObject({ lost: 0, waiting: 0, loadedAnew: 1 });
});

test("a window of one system says nothing of another", () => {
  const { ledger } = begun();
  ledger.away("parking", 0);
  ledger.sent(event(2, 100), 100);
  ledger.tick(16_000);
  expect(ledger.tally("visitors").lost).toBe(1);
});

test("another user's group does not count", () => {
  const { ledger } = begun();
  const mine = { system: "workshop" as const, group: "user_7" };
  ledger.sent(event(2, 0, mine), 0);
  ledger.sent(event(3, 0, { ...mine, group: "user_8" }), 0);
  ledger.arrived("workshop", 2, 1);
  ledger.tick(16_000);
  expect(ledger.tally("workshop")).toMatchObject({ sent: 1, shown: 1, lost: 0 });
});

test("an event that came through another system's socket is not this system's", () => {
  const ledger = createLedger();
  ledger.arrived("class", 2, 0);
  ledger.sent(event(2, 0, { system: "workshop", group: "user_7" }), 1);
  expect(ledger.total().sent).toBe(0);
});

test("notifications count by the topics that the page wants, as whole words, and in the groups from which one came", () => {
  const ledger = createLedger();
  const notice = (n: number, topic: string, group = "notifications") => ledger.sent(event(n, 0, { system: "parking", group, topic }), 0);
  ledger.want("parking", "topic", "reservation", true);
  notice(1, "new_reservation");
  notice(2, "new_parking_lot");
  notice(3, "reservations");
  ledger.arrived("parking", 1, 1);
  notice(4, "reservation_expired");
  notice(5, "reservation_expired", "user_9_notifications");
  ledger.tick(16_000);
  expect(ledger.tally("parking")).toMatchObject({ sent: 2, shown: 1, lost: 1 });
  // Not wanted any more: nothing of it is expected.
  ledger.want("parking", "topic", "reservation", false);
  notice(6, "new_reservation");
  ledger.tick(26_000);
  expect(ledger.tally("parking").sent).toBe(2);
});

test("a room counts as long as the page is in it", () => {
  const ledger = createLedger();
  const change = (n: number, now: number) => ledger.sent(event(n, now, { system: "class", group: "session.4" }), now);
  change(1, 0);
  ledger.arrived("class", 1, 1);
  expect(ledger.total().sent).toBe(0);
  ledger.want("class", "room", "4", true);
  change(2, 10);
  ledger.arrived("class", 2, 11);
  change(3, 20);
  expect(ledger.total()).toMatchObject({ sent: 2, shown: 1 });
  ledger.want("class", "room", "4", false);
  change(4, 30);
  ledger.tick(10_000);
  expect(ledger.total()).toMatchObject({ sent: 1, shown: 1, lost: 0 });
});

test("what Django could not publish is counted apart", () => {
  const { ledger } = begun();
  ledger.sent(event(2, 0, { error: "Connection refused" }), 0);
  ledger.tick(16_000);
  expect(ledger.total()).toMatchObject({ sent: 1, shown: 1, failedToPublish: 1, lost: 0 });
});

test("another person begins anew, and what was counted stays", () => {
  const { ledger } = begun();
  ledger.sent(event(2, 100), 100);
  ledger.forget();
  ledger.sent(event(3, 200), 200);
  ledger.tick(19_000);
  expect(ledger.total()).toMatchObject({ sent: 1, shown: 1, lost: 0 });
});

test("what has just been sent is not unsettled, what does not come is, until it is lost", () => {
  const { ledger } = begun();
  ledger.sent(event(2, 100), 100);
  expect(ledger.unsettled(200)).toBe(0);
  expect(ledger.unsettled(1_200)).toBe(1);
  ledger.tick(16_000);
  expect(ledger.unsettled(16_000)).toBe(0);
});

test("what came before Redis had answered Django is remembered as long as its line counts", () => {
  const { ledger } = begun();
  ledger.arrived("visitors", 2, 100);
  ledger.tick(64_000);
  ledger.sent(event(2, 90, { done: 5_000 }), 64_000);
  ledger.tick(80_000);
  expect(ledger.total()).toMatchObject({ sent: 2, shown: 2, lost: 0 });
});

test("of arrivals without a line the newest are remembered", () => {
  const { ledger } = begun();
  for (let n = 2; n <= 10_002; n += 1) ledger.arrived("visitors", n, 10);
  ledger.sent(event(2, 10), 11);
  ledger.sent(event(3, 10), 11);
  expect([2, 3].map(ledger.fateOf)).toEqual(["pending", "shown"]);
});

test("of events that Django could not publish the newest are remembered", () => {
  const { ledger } = begun();
  for (let n = 2; n <= 52; n += 1) ledger.sent(event(n, 10, { error: "Connection closed" }), 10);
  expect(ledger.total().failedToPublish).toBe(51);
  for (const n of [2, 3]) ledger.arrived("visitors", n, 11);
  expect(ledger.total()).toMatchObject({ shown: 2, failedToPublish: 50 });
});

test("of times away the newest are remembered", () => {
  const { ledger } = begun();
  for (let at = 10_000; at <= 60_000; at += 1_000) {
    ledger.away("visitors", at);
    ledger.live("visitors", at);
  }
  ledger.sent(event(2, 9_500), 60_000);
  ledger.sent(event(3, 10_500), 60_000);
  ledger.tick(72_000);
  expect([2, 3].map(ledger.fateOf)).toEqual(["lost", "anew"]);
});

test("memory is bounded, and counts are not", () => {
  const { ledger } = begun();
  for (let n = 2; n <= 20_000; n += 1) {
    ledger.sent(event(n, n), n);
    ledger.arrived("visitors", n, n);
  }
  expect(ledger.total()).toMatchObject({ sent: 20_000, shown: 20_000 });
  expect(ledger.fateOf(2)).toBeNull();
  expect(ledger.fateOf(20_000)).toBe("shown");
});

test("what waits and is forgotten, because there is too much of it, does not count, so that the sum is right", () => {
  const { ledger } = begun();
  ledger.away("visitors", 0);
  for (let n = 2; n <= 20_000; n += 1) ledger.sent(event(n, n), n);
  ledger.tick(21_001);
  ledger.live("visitors", 22_000);
  ledger.tick(22_001);
  const { sent, shown, loadedAnew } = ledger.total();
  expect({ shown, sent }).toEqual({ shown: 1, sent: 1 + loadedAnew });
});

test("an event that was on its way to Redis while the system was away may have been missed", () => {
  const { ledger } = begun();
  // Redis stood still from 1,000 to 7,000; the node was killed shortly before the end.
  ledger.sent(event(2, 1_000, { done: 7_001 }), 7_002);
  ledger.away("visitors", 6_500);
  ledger.live("visitors", 8_000);
  ledger.tick(20_000);
  expect(ledger.total()).toMatchObject({ lost: 0, loadedAnew: 1 });
});

test("of events that were numbered in another order than they were sent, one that was sent before the first does not count", () => {
  const ledger = createLedger();
  ledger.sent(event(11, 100), 100);
  ledger.sent(event(10, 90), 110);
  ledger.arrived("visitors", 10, 111);
  ledger.sent(event(12, 120), 120);
  ledger.tick(20_000);
  expect(ledger.total()).toMatchObject({ sent: 2, shown: 1, lost: 1 });
  expect(ledger.fateOf(12)).toBe("lost");
});

test("a page that stood still waits as much longer", () => {
  const { ledger } = begun();
  ledger.sent(event(2, 100), 100);
  ledger.stood(60_000);
  ledger.tick(60_200);
  expect(ledger.total().lost).toBe(0);
  ledger.tick(71_000);
  expect(ledger.total().lost).toBe(1);
});

test("a line of the record that comes a minute late says nothing of what came: that is not remembered any more", () => {
  const { ledger } = begun();
  ledger.arrived("visitors", 2, 100);
  ledger.tick(70_200);
  ledger.sent(event(2, 90), 70_300);
  ledger.tick(90_000);
  expect(ledger.total()).toMatchObject({ sent: 1, shown: 1, lost: 0 });
});

test("what Redis had taken although Django lost the connection is shown, and did not fail", () => {
  const { ledger } = begun();
  ledger.sent(event(2, 100, { error: "Connection closed" }), 110);
  expect(ledger.total().failedToPublish).toBe(1);
  ledger.arrived("visitors", 2, 120);
  ledger.arrived("visitors", 3, 130);
  ledger.sent(event(3, 100, { error: "Connection closed" }), 140);
  expect(ledger.total()).toMatchObject({ sent: 3, shown: 3, failedToPublish: 0 });
});

test("fates are counted without what is on its way", () => {
  expect(tallyOf(["shown", "pending", "anew", "waiting", "lost", "shown"], 2)).toEqual({ sent: 5, shown: 2, loadedAnew: 1, waiting: 1, lost: 1, failedToPublish: 2 });
});
