// How the operator's view looks and is used: one node with its printed key, small windows, keyboards, screen readers.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { violations } from "../support/axe.js";
import { Gate } from "../support/gate.js";
import { launch, overflowing } from "../support/live.js";
import { Clients, Operator } from "../support/operate.js";
import { until } from "../support/until.js";

const USER = `user-${"7".repeat(50)}`;

describe("the look of the operator's view", () => {
  let gate;
  let browser;
  let clients;

  before(async () => {
    const environment = {
      CHANNELGATE_CONFIG: fileURLToPath(new URL("../fixtures/operate.toml", import.meta.url)),
      DJANGO_SECRET_KEY: "a-secret-of-django-that-is-long-enough-for-hs256",
    };
    gate = await Gate.start({ environment });
    browser = await launch();
    clients = await Clients.open(browser, gate);
    const token = gate.accessToken(USER);
    await clients.plain(`/ws/orders/${"5".repeat(18)}/?token=${token}`, 2);
    await clients.socketIo(token);
    await gate.publish(`order_${"5".repeat(18)}`, [{ type: "order.status" }, { type: "unknown" }]);
  });
  after(async () => {
    await browser?.close();
    await gate?.stop();
  });

  /** Brings as much into the view as it can have. */
  async function fill(operator) {
    await operator.says("op-losses", /no_handler/);
    await operator.test("op-tail-drops").uncheck();
    await until("the tail has records", async () => {
      await gate.publish(`order_${"5".repeat(18)}`, [{ type: "order.status" }, { type: "unknown" }]);
      return (await operator.test("op-record").count()) > 5;
    });
    for (const chart of ["events", "deliveries", "connections", "drops"]) await operator.test(`op-chart-${chart}-table`).click();
    await operator.test("op-user").fill(USER);
    await operator.test("op-user-find").click();
    await operator.says("op-user-status", /1 Socket\.IO connection/);
    await operator.test("op-emit-data").fill("{");
    await operator.test("op-emit-name").fill("x".repeat(200));
    await operator.test("op-emit-send").click();
  }

  /** How many watchers of the tail the node has. */
  async function watchers() {
    const text = await (await fetch(`${gate.url}metrics`)).text();
    return Number(/^channelgate_tail_watchers (\d+)/m.exec(text)[1]);
  }

  /** A headless page is never in the background, so it is made to say so, as a browser would. */
  async function see(operator, state) {
    await operator.page.evaluate((value) => {
      Object.defineProperty(document, "visibilityState", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  }

  async function closed(operator) {
    await operator.close();
    assert.deepEqual(operator.problems, [], "the browser complained");
  }

  it("signs in with the address that the node prints, and says that the node is alone", async () => {
    const operator = await Operator.open(browser, gate, { key: gate.key });
    await operator.test("op-board").waitFor();
    assert.equal(new URL(operator.page.url()).hash, "#operate", "the key does not stay in the address");
    assert.match(await operator.text("op-nodes-hint"), /One node only/);
    await operator.test("view-try").click();
    await operator.test("try-everything").waitFor();
    assert.ok(await operator.test("op-board").isHidden());
    await until("nobody watches", async () => (await watchers()) === 0);
    await operator.test("view-operate").click();
    await operator.says("op-stream", /^Live/);
    await until("the tail goes on", async () => (await watchers()) === 1);
    await see(operator, "hidden");
    await until("a page in the background watches nothing", async () => (await watchers()) === 0);
    await see(operator, "visible");
    await until("the tail goes on", async () => (await watchers()) === 1);
    await operator.test("op-signout").click();
    assert.match(await operator.text("op-signin"), /made a key and printed it.*#key=/s);
    await operator.signIn("another");
    await operator.says("op-signin-error", /refused/);
    await operator.enter(gate.key);
    await closed(operator);
  });

  it("is served with a policy that allows no inline code", async () => {
    for (const path of ["page/", "page/operate/view.js", "page/operate/operate.css"]) {
      const policy = (await fetch(`${gate.url}${path}`)).headers.get("content-security-policy");
      assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/, path);
      assert.doesNotMatch(policy, /unsafe/, path);
    }
  });

  for (const [width, colorScheme, ...further] of [[1280, "light", 768], [1280, "dark"], [390, "light", 320], [390, "dark"]]) {
    it(`has no violation of axe, and scrolls only down, at ${width} px in ${colorScheme}`, async () => {
      const viewport = { width, height: 800 };
      const operator = await Operator.open(browser, gate, { viewport, colorScheme, reducedMotion: "reduce" });
      await operator.signIn("wrong");
      await operator.says("op-signin-error", /refused/);
      assert.deepEqual(await violations(operator.page), [], "signed out");
      assert.deepEqual(await wide(operator.page), [], "signed out");
      await operator.enter(gate.key);
      await fill(operator);
      assert.deepEqual(await violations(operator.page), [], "in use");
      assert.equal(await operator.page.locator("[style]").count(), 0, "no element has a style of its own");
      assert.deepEqual(await unnamed(operator.page), [], "every control has a name, for people and for tests");
      for (const other of [width, ...further]) {
        await operator.page.setViewportSize({ width: other, height: 800 });
        assert.deepEqual(await wide(operator.page), [], `in use at ${other} px`);
      }
      await operator.page.setViewportSize(viewport);
      await operator.test("op-disconnect-all").click();
      await operator.test("op-confirm").waitFor();
      assert.deepEqual(await violations(operator.page), [], "with a question");
      assert.deepEqual(await wide(operator.page), [], "with a question");
      await closed(operator);
    });
  }

  it("works by keyboard alone: the sign-in, a time on a chart, a question that is put away", async () => {
    const operator = await Operator.open(browser, gate);
    const { keyboard } = operator.page;
    const focus = async (testid) => {
      for (let presses = 0; presses < 60; presses += 1) {
        if ((await operator.page.evaluate(() => document.activeElement?.dataset.testid)) === testid) return;
        await keyboard.press("Tab");
      }
      assert.fail(`${testid} is not reached by Tab`);
    };
    await focus("op-signin-token");
    await keyboard.type(gate.key);
    await keyboard.press("Enter");
    await operator.test("op-board").waitFor();
    await focus("op-chart-events-plot");
    assert.equal(await operator.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid", "the focus is seen");
    const plot = operator.test("op-chart-events-plot");
    const newest = Number(await plot.getAttribute("aria-valuenow"));
    await keyboard.press("PageDown");
    assert.equal(Number(await plot.getAttribute("aria-valuenow")), newest - 12, "a minute back");
    assert.match(await plot.getAttribute("aria-valuetext"), /^\d\d:\d\d:\d\d: (\d[\d.,]*|–) per second/);
    await focus("op-user");
    await keyboard.type(USER);
    await keyboard.press("Enter");
    await operator.says("op-user-status", /1 Socket\.IO connection/);
    await focus("op-disconnect-all");
    await keyboard.press("Enter");
    await operator.test("op-confirm").waitFor();
    await keyboard.press("Escape");
    await operator.test("op-confirm").waitFor({ state: "hidden" });
    assert.equal(await operator.page.evaluate(() => document.activeElement.dataset.testid), "op-disconnect-all", "the focus is back");
    assert.equal((await clients.all()).filter(({ close }) => close).length, 0, "nobody was disconnected");
    await closed(operator);
  });
});

/** What makes the page wider than the window; tables of charts scroll inside their own box. */
async function wide(page) {
  const all = await overflowing(page);
  const inside = await page.evaluate(() => [...document.querySelectorAll(".scroll *")].map((element) => element.outerHTML.slice(0, 120)));
  return all.filter((element) => !inside.includes(element));
}

function unnamed(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("#operate-view :is(button, input, select, textarea, summary), #operate-stream button")]
      .filter((control) => {
        const name = control.getAttribute("aria-label") ?? control.labels?.[0]?.textContent ?? control.textContent;
        return !control.dataset.testid || (name.trim() === "" && control.checkVisibility());
      })
      .map((control) => control.outerHTML.slice(0, 120)),
  );
}
