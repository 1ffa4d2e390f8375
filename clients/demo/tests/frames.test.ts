// The wall of visitors: nobody moves when somebody comes or goes.

import { expect, test } from "vitest";

import { place } from "../src/pages/visitors/frames";

test("who has a place keeps it", () => {
  expect(place([1, 2, 3, null], [3, 1, 2, 4])).toEqual([1, 2, 3, 4]);
});

test("the place of one who left is free, and the next one takes it", () => {
  expect(place([1, 2, 3], [1, 3])).toEqual([1, null, 3]);
  expect(place([1, null, 3], [1, 3, 7])).toEqual([1, 7, 3]);
});

test("without a free place there is another one", () => {
  expect(place([1, 2], [1, 2, 3])).toEqual([1, 2, 3]);
});
