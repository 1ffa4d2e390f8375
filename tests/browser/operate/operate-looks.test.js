// How the operator's view looks and is used: one node with its printed key, small windows, keyboards, screen readers.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { violations } from "../support/axe.js";
import { Gate } from "../support/gate.js";
import { launch, Live, overflowing } from "../support/live.js";
import { Clients, Operator } from "../support/operate.js";
import { until } from "../support/until.js";

/** Windows and colours in which axe looks at the page: two are enough for what is small. */
const TWO = [[1280, "light"], [390, "dark"]];
const OTHERS = [[1280, "dark"], [390, "light"]];

const USER = `user-${"7".repeat(50)}`;

describe("the look of the operator's view", () => {
  let gate;
  let browser;
  let clients;
  /** The page of an operator, for the tests that need nothing of their own. */
  let operator;

  before(async () => {
    const environment = {
      CHANNELGATE_CONFIG: fileURLToPath(new URL("../fixtures/operate.toml", import.meta.url)),
      DJANGO_SECRET_KEY: "a-secret-of-django-that-is-long-enough-for-hs256",
    };
    const launched = launch().then((one) => (browser = one));
    gate = await Gate.start({ environment });
    await launched;
    clients = await Clients.open(browser, gate);
    const token = gate.accessToken(USER);
    await clients.plain(`/ws/orders/${"5".repeat(18)}/?token=${token}`, 2);
    await clients.socketIo(token);
    await gate.publish(`order_${"5".repeat(18)}`, [{ type: "order.status" }, { type: "unknown" }]);
    operator = await Operator.open(browser, gate, { key: gate.key });
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
    await operator.find(USER, /1 Socket\.IO connection/);
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
    // A filter that was typed just before is not asked for in the background either.
    await operator.test("op-tail-group").fill("board");
    await see(operator, "hidden");
    await operator.page.evaluate(() => new Promise((resolve) => void setTimeout(resolve, 400)));
    await until("a page in the background watches nothing", async () => (await watchers()) === 0);
    await operator.test("op-signout").click();
    await see(operator, "visible");
    assert.equal(await operator.page.evaluate(() => sessionStorage.length), 0, "the key is forgotten");
    await operator.page.reload();
    await operator.test("op-signin").waitFor();
    assert.match(await operator.text("op-signin"), /made a key and printed it.*#key=/s);
    await operator.signIn("another");
    await operator.says("op-signin-error", /refused/);
    await operator.enter(gate.key);
    assert.equal(await operator.test("op-tail-group").inputValue(), "", "the filter of the last operator");
    await operator.page.evaluate((key) => {
      sessionStorage.setItem("channelgate-operator", "the key of a node that has ended");
      location.hash = `#operate&key=${key}`;
    }, gate.key);
    await operator.says("op-stream", /^Live/);
    await operator.page.reload();
    await operator.says("op-stream", /^Live/);
  });

  it("gives an answer that comes after a sign-out to nobody, also that the old token is refused", async () => {
    let release;
    const held = new Promise((resolve) => void (release = resolve));
    await operator.page.route("**/user/5/rooms", async (route) => {
      const response = await route.fetch({ headers: { authorization: "Bearer another" } });
      await held;
      await route.fulfill({ response });
    });
    await operator.test("op-user").fill("5");
    await operator.test("op-user-find").click();
    await operator.test("op-signout").click();
    await operator.enter(gate.key);
    const late = operator.page.waitForResponse("**/user/5/rooms");
    release();
    assert.equal((await late).status(), 401);
    await operator.find(USER, /1 Socket\.IO connection/);
    // What Chromium writes of a refused request.
    operator.problems = operator.problems.filter((problem) => !problem.includes("401"));
  });

  it("lists the first 100 connections of a user, and the first 20 rooms of each", async () => {
    await operator.page.route("**/user/many/rooms", async (route) => {
      const response = await route.fetch({ url: route.request().url().replace("many", USER) });
      const body = await response.json();
      const rooms = Array.from({ length: 30 }, (_, number) => `room_${number}`);
      body.data.sockets = Array.from({ length: 150 }, (_, number) => ({ ...body.data.sockets[0], id: `socket${number}`, rooms }));
      await route.fulfill({ response, json: body });
    });
    await operator.find("many", /150 Socket\.IO connections .* The first 100 are listed\./);
    const rows = operator.page.locator("[data-testid=op-sockets] tbody tr");
    assert.equal(await rows.count(), 100);
    assert.match(await rows.first().locator(".chips").textContent(), /room_19\+10$/);
  });

  it("replaces in a table only what has changed, and keeps the keyboard where it is", async () => {
    const seen = await operator.page.evaluate(async () => {
      const { Table, button, h } = await import("/page/operate/dom.js");
      const table = new Table("A table", "table", [
        { title: "Name", head: true, of: ({ name }) => button(name, "one", () => undefined) },
        { title: "Number", of: ({ number }) => number },
      ]);
      const section = h("section", {}, table.element);
      document.body.append(section);
      const show = (...rows) => table.show(rows.map(([name, number]) => ({ name, number })), ({ name }) => name);
      const cells = () => [...table.element.querySelectorAll("tbody tr > *")];
      const texts = () => cells().map((cell) => cell.textContent).join(" ");
      const found = [];
      show(["a", 1], ["b", 1]);
      const [a, , b] = cells();
      b.firstChild.focus();
      show(["a", 2], ["b", 3]);
      found.push(texts(), cells()[0] === a, cells()[2] === b, document.activeElement === b.firstChild);
      show(["c", 1], ["c", 2], ["b", 3]);
      found.push(texts(), document.activeElement === b.firstChild);
      show(["b", 3], ["c", 1]);
      found.push(texts(), document.activeElement === b.firstChild);
      show(["c", 1]);
      found.push(texts(), document.activeElement === section);
      section.remove();
      return found;
    });
    assert.deepEqual(seen, ["a 2 b 3", true, true, true, "c 1 c 2 b 3", true, "b 3 c 1", true, "c 1", true]);
    await closed(operator);
  });

  it("says that the view could not be loaded", async () => {
    const live = await Live.open(browser, gate.url);
    await live.page.route("**/operate/view.js", (route) => route.abort());
    await live.test("view-operate").click();
    await live.page.getByText("The operators' view could not be loaded. Reload the page to try again.").waitFor();
    await live.close();
  });

  it("is served with a policy that allows no inline code", async () => {
    for (const path of ["page/", "page/operate/view.js", "page/operate/operate.css"]) {
      const policy = (await fetch(`${gate.url}${path}`)).headers.get("content-security-policy");
      assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/, path);
      assert.doesNotMatch(policy, /unsafe/, path);
    }
  });

  it("has no violation of axe, and scrolls only down, in light and dark, at 1280 and 390 px", async () => {
    const operator = await Operator.open(browser, gate, { reducedMotion: "reduce" });
    const { page } = operator;
    // What axe looks at must not be replaced under its eyes.
    let isHeld = false;
    await page.routeWebSocket("**/api/websocket/live", (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => isHeld || socket.send(message));
    });
    await page.reload();
    const look = async (state, looks, { part, further = [] } = {}) => {
      for (const [width, colorScheme] of looks) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        assert.deepEqual(await violations(page, part), [], `${state} at ${width} px in ${colorScheme}`);
        assert.deepEqual(await wide(page), [], `${state} at ${width} px`);
      }
      for (const width of further) {
        await page.setViewportSize({ width, height: 800 });
        assert.deepEqual(await wide(page), [], `${state} at ${width} px`);
      }
    };
    await operator.signIn("wrong");
    await operator.says("op-signin-error", /refused/);
    await look("signed out", TWO);
    await operator.enter(gate.key);
    await fill(operator);
    isHeld = true;
    await look("in use", [...TWO, ...OTHERS], { further: [768, 320] });
    assert.equal(await page.locator("[style]").count(), 0, "no element has a style of its own");
    assert.deepEqual(await unnamed(page), [], "every control has a name, for people and for tests");
    await operator.test("op-disconnect-all").click();
    await operator.test("op-confirm").waitFor();
    await look("with a question", TWO, { part: "dialog" });
    await closed(operator);
  });

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
    await keyboard.press("Escape");
    await plot.dispatchEvent("pointerdown", { pointerType: "touch", clientX: 300 });
    assert.match(await operator.text("op-chart-events-time"), /^\d\d:\d\d:\d\d/);
    await plot.dispatchEvent("pointercancel", { pointerType: "touch" });
    assert.equal(await operator.text("op-chart-events-time"), "", "a finger that scrolls chooses no time");
    await focus("op-user");
    await keyboard.type(USER);
    await keyboard.press("Enter");
    await operator.says("op-user-status", /1 Socket\.IO connection/);
    await focus("op-disconnect-all");
    await keyboard.press("Enter");
    await operator.test("op-confirm").waitFor();
    await operator.page.evaluate(() => (location.hash = "#try"));
    await operator.test("try-everything").click({ trial: true });
    await operator.page.evaluate(() => (location.hash = "#operate"));
    await operator.says("op-stream", /^Live/);
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
