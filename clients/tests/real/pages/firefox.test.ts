// The same in Firefox, where Debian's is installed: another WebSocket. It keeps no page
// in its back/forward cache while it is controlled, so that stays a test of Chromium.

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Chaos } from "../support/chaos.js";
import { Gate, type GateOptions } from "../support/gate.js";
import { Redis } from "../support/redis.js";
import { Firefox, firefoxPath, FirefoxTab } from "./support/firefox.js";

const COMPONENTS = 3;
const backoff = { base: 300, cap: 300 };

describe.skipIf(firefoxPath === undefined)("Firefox (skipped where firefox-esr is not installed)", () => {
  let firefox: Firefox;
  beforeAll(async () => {
    firefox = await Firefox.launch();
  });
  afterAll(() => firefox.close());

  async function start(options: GateOptions = { presets: ["feed"] }): Promise<Gate> {
    const gate = await Gate.start(options);
    onTestFinished(() => gate.close());
    return gate;
  }

  async function open(options: Parameters<FirefoxTab["start"]>[0]): Promise<FirefoxTab> {
    const tab = await FirefoxTab.open(firefox);
    onTestFinished(() => tab.close());
    await tab.start(options);
    return tab;
  }

  async function isLive(gate: Gate, tab: FirefoxTab): Promise<Awaited<ReturnType<FirefoxTab["facts"]>>> {
    const before = await tab.until("open and live", ({ snapshot }) => snapshot.status === "open" && snapshot.recovery === "live");
    await tab.clear();
    await gate.publish("broadcast", { type: "send_event", event: "client_create", data: { number: 1 } });
    const { calls, open: sockets } = await tab.until("the event", (facts) => facts.calls.length === COMPONENTS);
    expect(calls).toEqual([1, 1, 1]);
    expect(sockets).toBe(1);
    return before;
  }

  it("has one socket, and comes back after kill -9 and after a drain", async () => {
    const gate = await start();
    const tab = await open({ url: `${gate.url}ws/`, components: COMPONENTS, backoff });
    const first = await isLive(gate, tab);
    expect(first.made).toBe(1);
    for (const [how, code] of [["kill", 1006], ["stop", 1012]] as const) {
      await gate[how]();
      await tab.status("reconnecting");
      await gate.start();
      const back = await isLive(gate, tab);
      expect(back.reasons[0]).toBe(code);
      expect(back.missed).toMatchObject([{ reason: "reconnected" }]);
    }
  });

  it("stops at a refused token", async () => {
    const redis = await Redis.start();
    onTestFinished(() => redis.close());
    const gate = await start({ presets: ["parking"], redisUrl: redis.url });
    const tab = await open({ url: `${gate.url}ws/notifications/`, tokens: ["wrong"], components: COMPONENTS });
    const { snapshot, made } = await tab.status("unauthorized");
    expect(snapshot.reason?.code).toBe(4401);
    expect(made).toBe(2);
  });

  it("finds a dead link by its heartbeat", async () => {
    const gate = await start();
    const link = await Chaos.start(gate.port);
    onTestFinished(() => link.close());
    const tab = await open({ url: `${link.url}ws/`, components: COMPONENTS, backoff, heartbeat: { interval: 800, timeout: 6_000 } });
    await tab.until("an answer", ({ snapshot }) => snapshot.latency !== null);
    link.halfOpen();
    await tab.until("the loss", ({ reasons }) => reasons[0] === "heartbeat");
    await isLive(gate, tab);
  });
});
