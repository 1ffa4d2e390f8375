// What must hold on every page: in Chromium with React 18 and 19, in development (StrictMode) and in production, against
// real nodes that are killed, drained and cut off from their Redis.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Gate, type GateOptions } from "../support/gate.js";
import { Layer } from "../support/layer.js";
import { Redis } from "../support/redis.js";
import { until } from "../support/until.js";
import type { Facts } from "./support/app.js";
import { launch, Tab } from "./support/page.js";

const variants = ([18, 19] as const).flatMap((react) => [false, true].map((production) => ({ react, production, name: `React ${react}, ${production ? "production" : "development"}` })));
const COMPONENTS = 20;
/** Waits of at most this many milliseconds after a loss: a restart is what is tested, not patience. */
const backoff = { base: 300, cap: 300 };

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

const event = (number: number) => ({ type: "send_event", event: "client_create", data: { number } });

describe.each(variants)("$name", (variant) => {
  /** A node and a page with twenty components on it. */
  async function open(options: GateOptions = {}): Promise<{ gate: Gate; tab: Tab }> {
    const gate = await Gate.start({ presets: ["feed"], ...options });
    onTestFinished(() => gate.close());
    const tab = await Tab.open(browser, variant);
    onTestFinished(() => tab.close());
    await tab.start({ url: `${gate.url}ws/`, components: COMPONENTS, backoff });
    await tab.until("open in every component", ({ text }) => text === "open 0".repeat(COMPONENTS));
    return { gate, tab };
  }

  /** One event more reaches every component once, over one socket. */
  async function isLive(gate: Gate, tab: Tab, number: number): Promise<void> {
    await tab.clear();
    await gate.publish("broadcast", event(number));
    const { calls, open: sockets, numbers } = await tab.until("the event", (facts) => facts.calls.length === COMPONENTS);
    expect(calls).toEqual(Array.from({ length: COMPONENTS }, () => 1));
    expect(numbers).toEqual([number]);
    expect(sockets).toBe(1);
    expect(tab.problems).toEqual([]);
  }

  it("has one socket for twenty components", async () => {
    const { gate, tab } = await open();
    const { made, statuses, missed } = await tab.facts();
    expect(made).toBe(1);
    expect(statuses).toEqual(["connecting", "open"]);
    expect(missed).toEqual([]);
    await isLive(gate, tab, 1);
    await tab.page.evaluate(() => window.page.end());
    await tab.until("the end", ({ open: sockets }) => sockets === 0);
    expect((await tab.facts()).made).toBe(1);
  });

  it("comes back after kill -9 of the node, and says once that something was missed", async () => {
    const { gate, tab } = await open();
    await isLive(gate, tab, 1);
    await tab.clear();
    await gate.kill();
    const lost = await tab.status("reconnecting");
    expect(lost.reasons[0]).toBe(1006);
    await gate.start();
    const back = await tab.until("live again", ({ snapshot }) => snapshot.status === "open" && snapshot.recovery === "live");
    expect(back.missed).toMatchObject([{ reason: "reconnected" }]);
    expect(back.missed[0]?.since).toBeLessThanOrEqual(back.missed[0]?.until ?? 0);
    await isLive(gate, tab, 2);
  });

  it("comes back after a drain", async () => {
    const { gate, tab } = await open();
    await tab.clear();
    await gate.stop();
    const lost = await tab.status("reconnecting");
    expect(lost.reasons[0]).toBe(1012);
    await gate.start();
    const back = await tab.until("live again", ({ snapshot }) => snapshot.status === "open" && snapshot.recovery === "live");
    expect(back.missed).toMatchObject([{ reason: "reconnected" }]);
    await isLive(gate, tab, 3);
  });

  it("sees a restart of Redis as missed, once, and keeps its connection", async () => {
    const redis = await Redis.start();
    onTestFinished(() => redis.close());
    const layer = new Layer(redis.url);
    onTestFinished(() => layer.close());
    const { gate, tab } = await open({ redisUrl: redis.url });
    await layer.send("broadcast", event(1));
    await tab.until("the event", ({ numbers }) => numbers.length === 1);
    await redis.stop();
    await redis.start();
    await tab.until("live again", ({ missed, snapshot }) => missed.length > 0 && snapshot.recovery === "live");
    let last = 1;
    await until("an event after the restart", async () => {
      await layer.send("broadcast", event(++last));
      return (await tab.facts()).numbers.some((number) => number > 1);
    });
    // What was sent after it is not on its way any more.
    await tab.until("the last event", ({ numbers }) => numbers.includes(last));
    const { missed, statuses, made } = await tab.facts();
    expect(missed).toMatchObject([{ reason: "gap" }]);
    expect(statuses).toEqual(["connecting", "open"]);
    expect(made).toBe(1);
    await isLive(gate, tab, last + 1);
  });

  it("hands all of 5,000 events to every handler, and renders at most once per frame", async () => {
    const { gate, tab } = await open();
    const all = Array.from({ length: 5_000 }, (_, number) => event(number));
    for (let from = 0; from < all.length; from += 500) await gate.publish("broadcast", ...all.slice(from, from + 500));
    const handled = ({ calls }: Facts): boolean => calls.length === COMPONENTS && calls.every((count) => count >= all.length);
    // The last frame comes after the last event.
    const { calls, numbers, renders, missed, text } = await tab.until("all events", (facts) => handled(facts) && facts.renders.length > 0 && !facts.text.includes("open 0"), 40_000);
    expect(calls).toEqual(Array.from({ length: COMPONENTS }, () => all.length));
    expect(numbers).toEqual(all.map((_, number) => number));
    expect(missed).toEqual([]);
    expect(text).toBe("open 10".repeat(COMPONENTS));
    expect(renders.length).toBeGreaterThan(0);
    const inOneSecond = renders.map((first) => renders.filter((at) => at >= first && at < first + 1_000).length);
    expect(Math.max(...inOneSecond)).toBeLessThanOrEqual(70);
    expect(tab.problems).toEqual([]);
  });
});
