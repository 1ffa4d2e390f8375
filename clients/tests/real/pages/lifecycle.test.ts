// What happens to pages: no network, sleep, a tab in the background, the back/forward cache, and a link that is dead
// without a sign.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Chaos } from "../support/chaos.js";
import { Gate } from "../support/gate.js";
import { until } from "../support/until.js";
import type { Facts } from "./support/app.js";
import { launchPlain, Tab } from "./support/page.js";

const ONLINE = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
const OFFLINE = { ...ONLINE, offline: true };

let browser: Browser;
let close: () => Promise<void>;
let gate: Gate;
beforeAll(async () => {
  [{ browser, close }, gate] = await Promise.all([launchPlain(), Gate.start({ presets: ["feed"] })]);
});
afterAll(async () => {
  await Promise.all([close(), gate.close()]);
});

type Start = Parameters<Tab["start"]>[0];

/** A page whose link to the node can be broken. */
async function open(options: Partial<Start> = {}): Promise<{ tab: Tab; link: Chaos }> {
  const link = await Chaos.start(gate.port);
  onTestFinished(() => link.close());
  const tab = await Tab.open(browser);
  onTestFinished(() => tab.close());
  await tab.start({ url: `${link.url}ws/`, components: 3, backoff: { base: 300, cap: 300 }, ...options });
  await tab.status("open");
  // The node's name comes with the first frame: from then on there are heartbeats.
  await tab.until("the node's name", ({ snapshot }) => snapshot.node !== null);
  return { tab, link };
}

/** Another tab comes to the front. */
async function hide(tab: Tab): Promise<void> {
  const other = await tab.context.newPage();
  onTestFinished(() => other.close());
  await other.bringToFront();
  await tab.until("hidden", ({ lifecycle }) => lifecycle.at(-1) === "hidden");
}

/** The page is open and live, has one socket, and gets an event once. Returns what happened until then. */
async function isLive(tab: Tab): Promise<Facts> {
  const facts = await tab.until("open and live", ({ snapshot }) => snapshot.status === "open" && snapshot.recovery === "live");
  await tab.clear();
  await gate.publish("broadcast", { type: "send_event", event: "client_create", data: { number: 1 } });
  const { calls, open: sockets } = await tab.until("the event", (after) => after.calls.length === 3);
  expect(calls).toEqual([1, 1, 1]);
  expect(sockets).toBe(1);
  expect(tab.problems).toEqual([]);
  return facts;
}

describe("a page", () => {
  it("without a network is offline, and open again as soon as it has one", async () => {
    const { tab, link } = await open({ backoff: { base: 3_600_000, cap: 3_600_000 } });
    await tab.devtools.send("Network.enable");
    await tab.devtools.send("Network.emulateNetworkConditions", OFFLINE);
    link.cut();
    const { snapshot, made } = await tab.status("offline");
    expect(snapshot.status).toBe("offline");
    await tab.devtools.send("Network.emulateNetworkConditions", ONLINE);
    // Far sooner than its back-off.
    const back = await isLive(tab);
    expect(back.missed).toMatchObject([{ reason: "reconnected" }]);
    expect(back.made).toBe(made + 1);
  });

  it("does not trust an open socket when its network has changed", async () => {
    const { tab, link } = await open();
    link.halfOpen();
    await tab.devtools.send("Network.enable");
    await tab.devtools.send("Network.emulateNetworkConditions", OFFLINE);
    // It asks for an answer then, and waits for it for seconds, not for the 35 s of its heartbeat.
    const { reasons } = await tab.status("offline");
    expect(reasons[0]).toBe("heartbeat");
    await tab.devtools.send("Network.emulateNetworkConditions", ONLINE);
    await isLive(tab);
  });

  it("that slept has lost its socket, and comes back when it is seen", async () => {
    const { tab } = await open();
    await hide(tab);
    // Chromium closes the sockets of a page that it puts to sleep.
    await tab.devtools.send("Page.setWebLifecycleState", { state: "frozen" });
    await tab.devtools.send("Page.setWebLifecycleState", { state: "active" });
    await tab.page.bringToFront();
    // The page hears of the end of the socket after it was woken.
    await tab.until("another socket", ({ made }) => made >= 2);
    const back = await isLive(tab);
    expect(back.lifecycle).toEqual(expect.arrayContaining(["freeze", "resume"]));
    expect(back.missed).toMatchObject([{ reason: "reconnected" }]);
  });

  it("in a hidden tab stays connected", async () => {
    const { tab } = await open();
    await hide(tab);
    const { statuses } = await isLive(tab);
    expect(statuses).toEqual(["connecting", "open"]);
  });

  it("in a hidden tab tries again once a minute at most, and at once when it is seen", async () => {
    const { tab, link } = await open();
    await hide(tab);
    link.refuse(true);
    link.cut();
    const { made } = await tab.status("reconnecting");
    // With its back-off of 300 ms it would have tried five times and more.
    const end = performance.now() + 2_500;
    let last = made;
    while (performance.now() < end) last = (await tab.facts()).made;
    expect(last).toBeLessThanOrEqual(made + 1);
    link.refuse(false);
    await tab.page.bringToFront();
    await isLive(tab);
  });

  it("goes into the back/forward cache, and is open again when it comes back", async () => {
    const { tab } = await open();
    await tab.page.goto(`${tab.page.url()}other`);
    await until("the end of the connection", async () => (await gate.metric("channelgate_connections")) === 0);
    await tab.page.goBack({ waitUntil: "commit" });
    const back = await isLive(tab);
    expect(back.lifecycle).toEqual(expect.arrayContaining(["pagehide", "freeze", "resume"]));
    expect(back.made).toBe(2);
    expect(back.missed).toMatchObject([{ reason: "resumed-from-cache", groups: null }]);
    expect(back.missed[0]?.since).toBeLessThanOrEqual(back.missed[0]?.until ?? 0);
  });

  it("finds a dead link by its heartbeat", async () => {
    // A link that is stopped for less than this, by a busy machine, is not a dead one.
    const { tab, link } = await open({ heartbeat: { interval: 800, timeout: 6_000 } });
    // Answers keep it open.
    await tab.until("an answer", ({ snapshot }) => snapshot.latency !== null);
    link.halfOpen();
    const { reasons } = await tab.until("the loss", ({ statuses }) => statuses.length > 2);
    expect(reasons).toEqual(["heartbeat"]);
    const back = await isLive(tab);
    expect(back.missed).toMatchObject([{ reason: "reconnected" }]);
  });
});
