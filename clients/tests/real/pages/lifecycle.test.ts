// What happens to pages: no network, sleep, a tab in the background, the back/forward cache, and a link that is dead
// without a sign.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Chaos } from "../support/chaos.js";
import { Gate } from "../support/gate.js";
import { launch, Tab } from "./support/page.js";

let browser: Browser;
let gate: Gate;
beforeAll(async () => {
  [browser, gate] = await Promise.all([launch(), Gate.start({ presets: ["feed"] })]);
});
afterAll(async () => {
  await Promise.all([browser.close(), gate.close()]);
});

type Start = Parameters<Tab["start"]>[0];

async function open(options: Partial<Start> = {}): Promise<Tab> {
  const tab = await Tab.open(browser);
  onTestFinished(() => tab.close());
  await tab.start({ url: `${gate.url}ws/`, components: 3, backoff: { base: 300, cap: 300 }, ...options });
  await tab.status("open");
  return tab;
}

async function isLive(tab: Tab): Promise<void> {
  await tab.until("live", ({ snapshot }) => snapshot.status === "open" && snapshot.recovery === "live");
  await tab.clear();
  await gate.publish("broadcast", { type: "send_event", event: "client_create", data: { number: 1 } });
  const { calls, open: sockets } = await tab.until("the event", (facts) => facts.calls.length === 3);
  expect(calls).toEqual([1, 1, 1]);
  expect(sockets).toBe(1);
  expect(tab.problems).toEqual([]);
}

/** A link through which the node can be reached until it dies without a sign. */
async function link(): Promise<Chaos> {
  const chaos = await Chaos.start(gate.port);
  onTestFinished(() => chaos.close());
  return chaos;
}

describe("pages", () => {
  it("without a network is offline, not reconnecting; with it again it is open at once", async () => {
    const chaos = await link();
    const tab = await open({ url: `${chaos.url}ws/`, backoff: { base: 20_000, cap: 20_000, strategy: undefined } as never });
    await tab.context.setOffline(true);
    chaos.cut();
    const { snapshot } = await tab.status("offline");
    expect(snapshot.status).toBe("offline");
    await tab.context.setOffline(false);
    // Far sooner than its back-off: the network's return is the sign.
    const { missed } = await tab.until("live again", (facts) => facts.snapshot.status === "open" && facts.snapshot.recovery === "live", 5_000);
    expect(missed).toMatchObject([{ reason: "reconnected" }]);
    await isLive(tab);
  });
});
