// A node that drains sends its clients away with 1012: they come back within two seconds, and not all at once.

import { expect, it, onTestFinished } from "vitest";

import { Gate } from "../support/gate.js";
import { until } from "../support/until.js";
import { launch, Tab } from "./support/page.js";

const CLIENTS = 40;

it("forty clients of a drained node come back spread over two seconds", async () => {
  const [browser, gate] = await Promise.all([launch(), Gate.start({ presets: ["feed"] })]);
  onTestFinished(async () => {
    await Promise.all([browser.close(), gate.close()]);
  });
  const tab = await Tab.open(browser, { react: 19, production: true });
  const crowd = () => tab.page.evaluate(() => window.page.crowd());
  await tab.page.evaluate(([url, count]) => window.page.many(url, count), [`${gate.url}ws/`, CLIENTS] as const);
  const all = async (condition: (one: { status: string; delay: number | null }) => boolean): Promise<boolean> => {
    const found = await crowd();
    return found.length === CLIENTS && found.every(condition);
  };
  await until("all are open", () => all(({ status }) => status === "open"));
  await gate.stop();
  // What they wait, by their own clocks: timers of a busy machine are late.
  await until("all have tried", () => all(({ delay }) => delay !== null));
  const delays = (await crowd()).map(({ delay }) => delay ?? Number.NaN).sort((a, b) => a - b);
  expect(delays[0]).toBeGreaterThanOrEqual(0);
  expect(delays.at(-1)).toBeLessThanOrEqual(2_000);
  // Forty random numbers up to 2 s lie within one second of each other once in a thousand million runs.
  expect(delays[Math.floor(CLIENTS / 10)]).toBeLessThan(1_000);
  expect((delays.at(-1) ?? 0) - (delays[0] ?? 0)).toBeGreaterThan(1_000);
  await gate.start();
  await until("all are open again", () => all(({ status }) => status === "open"), 40_000);
  expect(tab.problems).toEqual([]);
  await tab.close();
});
