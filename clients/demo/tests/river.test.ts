// Where dots of the river are.

import { expect, test } from "vitest";

import { BANK, createRiver, placeOf, SHORE, STRETCH, type River } from "../src/shell/river/model";

const only = (river: River) => [...river.dots()][0]!;
const at = (river: River, now: number) => placeOf(only(river), now);

test("a dot travels its measured time, stretched, lands on the shore, and drifts out of sight", () => {
  const river = createRiver();
  river.carried("a", 0, 1, 10, 0);
  expect(at(river, 0).x).toBe(0);
  expect(at(river, (10 * STRETCH) / 2).x).toBeCloseTo(SHORE / 2);
  expect(at(river, 10 * STRETCH)).toMatchObject({ x: SHORE, landed: 10 * STRETCH });
  expect(river.prune(10 * STRETCH + BANK / 2)).toEqual({ isEmpty: false, isMoving: false });
  expect(river.prune(10 * STRETCH + BANK).isEmpty).toBe(true);
});

test("a dot that does not come stops on its way, falls as a ring, and the ring closes when it is loaded anew", () => {
  const river = createRiver();
  river.adrift("a", 0, 1, 0);
  expect(at(river, 60_000).x).toBeLessThan(SHORE);
  expect(river.prune(1_000).isMoving).toBe(true);
  river.fate("a", "waiting", 1_000);
  expect(at(river, 2_000)).toMatchObject({ shape: "ring", fall: 1, isLost: false });
  expect(river.prune(2_000)).toEqual({ isEmpty: false, isMoving: false });
  river.fate("a", "anew", 3_000);
  expect(at(river, 3_600)).toMatchObject({ shape: "dot", x: SHORE, fall: 0, landed: 3_600 });
});

test("a lost one is said to be lost, and one that comes after all lands", () => {
  const river = createRiver();
  river.adrift("a", 0, 1, 0);
  river.fate("a", "lost", 5_000);
  expect(at(river, 6_000)).toMatchObject({ shape: "ring", isLost: true });
  river.carried("a", 0, 2, 9_000, 7_000);
  expect(at(river, 7_000).x).toBeGreaterThan(0);
  expect(at(river, 7_300)).toMatchObject({ shape: "dot", isLost: false });
  expect(only(river).lane).toBe(1);
});

test("a dot of an event that does not count any more, or has come where this page does not look, is gone", () => {
  const river = createRiver();
  river.adrift("a", 0, 1, 0);
  river.adrift("b", 0, 1, 0);
  river.carried("c", 0, 1, 10, 0);
  river.fate("a", null, 1_000);
  river.fate("b", "shown", 1_000);
  river.fate("c", "shown", 1_000);
  expect([...river.dots()].map(({ key }) => key)).toEqual(["c"]);
});

test("a dot that is waited for again stays where it is, and without motion that is where it stops", () => {
  const river = createRiver();
  river.adrift("a", 0, 1, -Infinity);
  const { x } = at(river, 0);
  expect(x).toBeCloseTo(SHORE * 0.55);
  river.fate("a", "waiting", 2_000);
  river.fate("a", "pending", 3_000);
  expect(at(river, 3_000)).toMatchObject({ x, shape: "dot" });
});

test("an event that has come does not come again, nor get lost", () => {
  const river = createRiver();
  river.carried("a", 0, 1, 10, 0);
  river.carried("a", 0, 2, 10, 1_000);
  river.fate("a", "lost", 1_000);
  river.adrift("a", 0, 2, 1_000);
  expect(only(river)).toMatchObject({ lane: 1, since: 0, fallen: null });
});

test("when a lane is cut, what has come through it lands at once, and nothing else changes", () => {
  const river = createRiver();
  river.carried("a", 0, 1, 100, 0);
  river.carried("b", 0, 2, 100, 0);
  river.adrift("c", 0, 1, 0);
  river.cut(1, 1_000);
  const [a, b, c] = [...river.dots()];
  expect(placeOf(a!, 1_000).x).toBeCloseTo(placeOf(b!, 1_000).x);
  expect(placeOf(a!, 1_200).landed).not.toBeNull();
  expect(placeOf(b!, 1_200).landed).toBeNull();
  expect(c).toMatchObject({ isCarried: false, since: 0 });
});

test("however many come, the dots are bounded", () => {
  const river = createRiver();
  for (let n = 0; n < 5_000; n += 1) river.carried(`${n}`, 0, 0, 5, n);
  expect([...river.dots()].length).toBeLessThanOrEqual(700);
});
