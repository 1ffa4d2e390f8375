// Every button of "Break it": what Django sent and what the page shows stay equal, or the page says what it loaded anew.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Demo, System } from "../support/demo.js";
import { launch } from "../support/live.js";
import { until } from "../support/until.js";

/** From the start of the program to the first event on screen, in ms. */
const FIRST = 15_000;
/** After what is broken works again, the page is live within this time, in ms. */
const LIVE = 5_000;

/** Each button, what its line must say, and when what it breaks works again. */
const BUTTONS = {
  "end-node": { fact: /node\d ended/ },
  "kill-node": { fact: /node\d was killed/ },
  "freeze-redis": { fact: /Redis/ },
  "restart-redis": { fact: /Redis/ },
  "expire-token": { fact: /token/ },
  revoke: { fact: /disconnected|revoked/ },
  offline: { fact: /cut off/ },
  burst: { fact: /500/ },
};

describe("Break it", () => {
  let system;
  let browser;
  let demo;

  const starts = [];

  async function start() {
    const began = performance.now();
    system = await System.start({ activity: true, speed: 3 });
    demo = await Demo.open(browser, system, "parking", { as: "tia" });
    await until("an event is shown", async () => (await demo.number("shown")) > 0);
    starts.push(Math.round(performance.now() - began));
    await demo.isLive();
  }

  /** An event that comes late, because a process stood still, is lost until it has come, and not longer. */
  const nothingIsLost = () => until("nothing is lost", async () => (await demo.number("lost")) === 0);

  before(async () => {
    browser = await launch();
    await start();
  });
  after(async () => {
    await demo?.close();
    await browser?.close();
    assert.deepEqual(await system?.stop(), { code: 0, signal: null });
    const thrown = (demo?.problems ?? []).filter((problem) => /^(exception|policy)/.test(problem));
    assert.deepEqual(thrown, []);
  });

  it("shows its first event within fifteen seconds of its start", async () => {
    // Another process may have both processors for a while: the best of three.
    while (Math.min(...starts) > FIRST && starts.length < 3) {
      await demo.close();
      await system.stop();
      await start();
    }
    assert.ok(Math.min(...starts) <= FIRST, `${starts} ms`);
  });

  for (const [button, { fact }] of Object.entries(BUTTONS)) {
    it(`${button}: nothing is lost without a word`, async () => {
      const before = await demo.test("fact").textContent();
      await demo.test("break-it").click();
      await demo.test(`break-${button}`).click();
      await until("the line says what happened", async () => {
        const text = await demo.test("fact").textContent();
        return text !== before && fact.test(text) && /Sent \d+/.test(text);
      }, 60_000);
      await until("the nodes are back", () => system.isWhole(), 60_000);
      await demo.isLive();
      // What is sent from now on is shown: the sum is right, and stays right.
      const shown = await demo.number("shown");
      await until("events are shown again", async () => (await demo.number("shown")) > shown + 3, 60_000);
      await nothingIsLost();
    });
  }

  it("is live within five seconds after its node was killed", async () => {
    // Another process may have both processors for a while: the best of three.
    const times = [];
    do {
      await until("the nodes are back", () => system.isWhole(), 60_000);
      await demo.isLive();
      const node = await demo.test("served-by").getAttribute("data-node");
      const began = performance.now();
      await system.control("kill-node", { node });
      await until("another node serves the page", async () => (await demo.test("served-by").getAttribute("data-node")) !== node, 60_000);
      await demo.isLive(60_000);
      times.push(Math.round(performance.now() - began));
    } while (Math.min(...times) > LIVE && times.length < 3);
    assert.ok(Math.min(...times) <= LIVE, `${times} ms`);
    await nothingIsLost();
  });

  it("shows red what nobody reported", async () => {
    // A network that swallows a frame: neither the node nor the client can know.
    let isHungry = false;
    let swallowed = 0;
    const isLost = (frame) => {
      if (!isHungry || !String(frame).includes('"demo"')) return false;
      isHungry = false;
      swallowed += 1;
      return true;
    };
    const other = await Demo.open(browser, system, "visitors", { sockets: [/\/ws\/\?/, isLost] });
    await other.isLive();
    await until("events are shown", async () => (await other.number("shown")) > 5);
    isHungry = true;
    await until("a frame is swallowed", () => swallowed === 1);
    await until("it is called lost", async () => (await other.number("lost")) === 1, 60_000);
    assert.match(await other.page.locator(".count", { has: other.test("lost") }).getAttribute("class"), /is-bad/);
    await other.close();
  });
});
