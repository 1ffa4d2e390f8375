// What the page says after something was broken.

import { expect, test } from "vitest";

import { counts, sentence } from "../src/stream/facts";
import { NOTHING } from "../src/stream/types";

test("who was away, for how long, and the counts", () => {
  const absences = [
    { title: "Parking", from: 1_000, to: 1_300 },
    { title: "Class", from: 1_000, to: 1_410 },
  ];
  expect(sentence("node2 ended.", absences, [], { ...NOTHING, sent: 1_128, shown: 1_126, loadedAnew: 2 })).toBe(
    "node2 ended. Parking and Class were away for up to 0.4 s; what changed meanwhile is loaded anew where it is shown. Sent 1,128, shown 1,126, loaded anew 2, lost 0.",
  );
});

test("one system, away twice, is named once", () => {
  const absences = [1_000, 5_000].map((from) => ({ title: "Class", from, to: from + 240 }));
  expect(sentence("Ann's token expired.", absences, [], NOTHING)).toContain("Class was away for 0.2 s;");
});

test("nobody was away", () => {
  expect(sentence("node3 was killed.", [], [], { ...NOTHING, sent: 4, shown: 4 })).toBe("node3 was killed. No connection was lost. Sent 4, shown 4, loaded anew 0, lost 0.");
});

test("a miss over an open connection is reported as one", () => {
  expect(sentence("Redis was restarted.", [], [{ title: "Visitors", from: 0, to: 900 }], { ...NOTHING, failedToPublish: 2 })).toBe(
    "Redis was restarted. No connection was lost, but Visitors may have missed something; what changed meanwhile is loaded anew where it is shown. Sent 0, shown 0, loaded anew 0, lost 0, not published 2, which Django knows.",
  );
});

test("what is not settled is not called settled", () => {
  const text = sentence("Redis stood still for 6 s.", [{ title: "Class", from: 0, to: null }, { title: "Parking", from: 0, to: 900 }], [], { ...NOTHING, sent: 3, waiting: 3 });
  expect(text).toBe("Redis stood still for 6 s. Parking was away for 0.9 s. Class is not back yet. Sent 3, shown 0, loaded anew 0, waiting 3, lost 0.");
});

test("a miss that is still open is not called loaded, also without an event that counts", () => {
  const away = { title: "Class", from: 0, to: 900 };
  expect(sentence("node1 ended.", [away], [{ ...away, to: null }], NOTHING)).toContain("Class was away for 0.9 s; what changed meanwhile is not loaded yet.");
  expect(sentence("node1 ended.", [], [{ ...away, to: null }], NOTHING)).toContain("Class may have missed something; what changed meanwhile is not loaded yet.");
});

test("a loss is said", () => {
  expect(counts({ ...NOTHING, sent: 2, shown: 1, lost: 1 })).toBe("Sent 2, shown 1, loaded anew 0, lost 1.");
  expect(sentence("x.", [], [], { ...NOTHING, lost: 1 })).toMatch(/lost 1\. No client reported it\.$/);
});
