// Every button of "Break it": what Django sent and what the page shows stay equal, or the page says what was missed.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Demo, System } from "../support/demo.js";
import { launch } from "../support/live.js";
import { until } from "../support/until.js";

/** When what is broken works again, the page is live within this time, in ms. */
const LIVE = 5_000;
/** Nothing comes while Redis is frozen for 6 s, but for what was on its way, in ms. */
const QUIET = 5_000;
const BURST = 500;

const many = ({ fact }) => fact.Sent >= BURST || `${fact.Sent} events were sent`;
const quiet = ({ longestQuiet }) => longestQuiet > QUIET || `events came, with ${longestQuiet} ms between them at most`;
const replaced = ({ sockets }) => sockets > 0 || "the page's socket was not replaced";
const moved = ({ node, before }) => node !== before || `${node} serves the page again`;
const missed = ({ hasMissed }) => hasMissed || "the page says nothing of a miss";

/** Each button: for how many ms what it breaks stays broken, and what must have happened. */
const BUTTONS = {
  burst: { lasts: 0, signs: [many] },
  "end-node": { lasts: 0, signs: [replaced, moved, missed] },
  "kill-node": { lasts: 0, signs: [replaced, moved, missed] },
  "freeze-redis": { lasts: 6_000, signs: [quiet] },
  "restart-redis": { lasts: 1_000, signs: [missed] },
  "expire-token": { lasts: 0, signs: [replaced, missed] },
  revoke: { lasts: 0, signs: [replaced, missed] },
  offline: { lasts: 5_000, signs: [replaced, missed] },
};

/** A network that swallows one frame with an event: neither the node nor the client can know. */
class Hungry {
  isHungry = false;
  swallowed = 0;

  takes = (frame) => {
    if (!this.isHungry || !String(frame).includes('"demo"')) return false;
    this.isHungry = false;
    this.swallowed += 1;
    return true;
  };
}

describe("Break it", () => {
  let system;
  let browser;
  let demo;
  /** Of another person, behind a network that swallows a frame. */
  let other;
  const network = new Hungry();

  before(async () => {
    browser = await launch();
    system = await System.start({ activity: true, speed: 3 });
    demo = await Demo.open(browser, system, "parking", { as: "tia" });
    other = await Demo.open(browser, system, "visitors", { sockets: [/\/ws\/\?/, network.takes] });
    await demo.isLive();
    await other.isLive();
    // From the first event of a group on, all of them count.
    await until("events of the visitors come", async () => (await other.came("visitors")) > 0);
    network.isHungry = true;
    // It is called lost some seconds later; meanwhile buttons are pressed.
    await until("a frame is swallowed", () => network.swallowed === 1);
  });
  after(async () => {
    try {
      await browser?.close();
    } finally {
      assert.deepEqual(await system?.stop(), { code: 0, signal: null });
    }
    const thrown = (demo?.problems ?? []).filter((problem) => /^(exception|policy)/.test(problem));
    assert.deepEqual(thrown, []);
  });

  const node = () => demo.test("served-by").getAttribute("data-node");
  const sockets = () => demo.paths({ open: false }).filter((path) => path === "/ws/notifications/").length;

  /** Presses a button, waits until all is well, and returns what is wrong with how it went. */
  async function press(button, { lasts, signs }) {
    const before = { node: await node(), sockets: sockets(), at: (await demo.fact())?.at };
    await demo.test("break-it").click();
    const began = await demo.look();
    await demo.test(`break-${button}`).click();
    const fact = await until("the line says what happened", async () => {
      const said = await demo.fact();
      return said && said.at !== before.at && said;
    }, 60_000);
    await until("the nodes are back", () => system.isWhole(), 60_000);
    await demo.isLive(60_000);
    // What is sent from now on is shown: the sum is right, and stays right.
    const shown = await demo.number("shown");
    await until("events are shown again", async () => (await demo.number("shown")) > shown + 3, 60_000);
    // An event that comes late, because a process stood still, is lost until it has come, and not longer.
    await until("nothing is lost", async () => (await demo.number("lost")) === 0);

    const [longestQuiet, hasMissed] = [await demo.seen("longestQuiet"), await demo.seen("hasMissed")];
    const count = sockets() - before.sockets;
    const happened = { fact, before: before.node, node: await node(), sockets: count, longestQuiet, hasMissed };
    const late = Math.round((await demo.seen("liveSince")) - began - lasts);
    const { Sent: sent, shown: came, "loaded anew": anew, waiting = 0, lost } = fact;
    return [
      ...signs.map((sign) => sign(happened)),
      late <= LIVE || `live ${late} ms after all worked again`,
      (lost === 0 && sent === came + anew + waiting) || fact.text,
    ].filter((wrong) => wrong !== true);
  }

  function works(button) {
    it(`${button}: nothing is lost without a word`, async (test) => {
      // Another process may have both processors for a while: the best of three.
      const tries = [];
      do tries.push(await press(button, BUTTONS[button]));
      while (tries.at(-1).length > 0 && tries.length < 3);
      if (tries.length > 1) test.diagnostic(JSON.stringify(tries));
      assert.deepEqual(tries.at(-1), []);
    });
  }

  works("burst");

  it("shows red what nobody reported", async () => {
    await until("it is called lost", async () => (await other.number("lost")) === 1, 60_000);
    assert.match(await other.page.locator(".count", { has: other.test("lost") }).getAttribute("class"), /is-bad/);
  });

  it("offers to load anew what could not be loaded after a miss", async () => {
    let failed = 0;
    await other.page.route("**/api/clients/", async (route) => {
      if (await other.page.evaluate(() => window.isPressed)) return route.continue();
      failed += 1;
      return route.fulfill({ status: 503 });
    });
    await system.control("restart-redis");
    await until("the page has failed to load, and offers it", () => failed > 0 && other.page.evaluate(() => {
      const button = document.querySelector("[data-testid=load-anew][aria-disabled=false]");
      // In one step: the page also loads by itself, whenever it learns that it has missed something more.
      window.isPressed = button !== null;
      button?.click();
      return window.isPressed;
    }), 60_000);
    await other.test("load-anew").waitFor({ state: "detached" });
    await other.close();
    await demo.isLive(60_000);
  });

  for (const button of Object.keys(BUTTONS)) if (button !== "burst") works(button);
});
