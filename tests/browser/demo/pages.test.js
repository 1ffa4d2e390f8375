// The five pages of the demonstration: each shows what Django's REST does, to everybody who looks.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";

import { Demo, SYSTEMS, System } from "../support/demo.js";
import { launch } from "../support/live.js";
import { until } from "../support/until.js";

/** From the request to the page, in ms. */
const SOON = 2_000;
/** Scripts and styles until the first page is there, compressed, in bytes. */
const MAX_BUNDLE = 130_000;
/** One grey pixel, as a camera's picture. */
const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==", "base64");

function visitor() {
  const form = new FormData();
  const now = new Date().toISOString();
  for (const [name, value] of Object.entries({ first_seen: now, last_seen: now, gender: "female", age: "31" })) form.set(name, value);
  form.set("image", new Blob([PIXEL]), "face.png");
  return form;
}

/** What is done at Django's REST, and returns what then must be seen on the page. */
const DONE = {
  visitors: async (system) => {
    const { id } = await system.rest("POST", "clients/", visitor());
    return (demo) => demo.test(`visitor-${id}`).isVisible();
  },
  parking: async (system) => {
    const lot = (await system.rest("GET", "parking/lots/")).find(({ occupied, capacity }) => occupied < capacity);
    const now = Date.now();
    const [start_time, end_time] = [now, now + 3_600_000].map((at) => new Date(at).toISOString());
    await system.rest("POST", "parking/reservations/", { parking_lot: lot.id, start_time, end_time }, { as: "ben" });
    const free = lot.capacity - lot.occupied - 1;
    return async (demo) => new RegExp(`\\b${free}\\b`).test(await demo.test(`lot-free-${lot.id}`).textContent());
  },
  manager: async (system) => {
    const employee_id = `EMP${Date.now() % 100_000}`;
    const now = new Date().toISOString();
    await system.rest("POST", "attendance/", { user_name: "Nia New", employee_id, office: "Thane", device: "Door", date: now.slice(0, 10), check_in_time: now, status: "present" });
    return (demo) => demo.test(`check-in-${employee_id}`).isVisible();
  },
  class: async (system) => {
    const [session] = await system.rest("GET", "tracker/sessions/");
    const { seats } = await system.rest("GET", `tracker/sessions/${session.id}/roster/`);
    const seat = seats.find(({ status }) => !status);
    const data = { userId: seat.userId, userName: seat.userName, status: "present", checkInTime: new Date().toISOString(), sessionId: session.id };
    await system.rest("POST", `tracker/sessions/${session.id}/announce/`, { event: "attendanceUpdate", data });
    return async (demo) => (await demo.test(`seat-${seat.userId}`).getAttribute("data-status")) === "present";
  },
  workshop: async (system) => {
    const order = (await system.rest("GET", "repairs/work-orders/")).find(({ status }) => status === "pending");
    await system.rest("PATCH", `repairs/work-orders/${order.id}/`, { status: "in_progress" });
    return (demo) => demo.test("order-column-in_progress").getByTestId(`order-${order.id}`).isVisible();
  },
};

describe("the pages of the demonstration", () => {
  let system;
  let browser;

  before(async () => {
    system = await System.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    assert.deepEqual(await system?.stop(), { code: 0, signal: null });
  });

  for (const route of SYSTEMS) {
    it(`${route}: two browsers show what the REST did within ${SOON} ms`, async () => {
      const demos = await Promise.all(["ann", "tia"].map((as) => Demo.open(browser, system, route, { as })));
      for (const demo of demos) await demo.isLive();
      // A machine that stands still for a moment delays one of them; not three.
      const times = [];
      do {
        const began = performance.now();
        const isShown = await DONE[route](system);
        await Promise.all(demos.map((demo) => until(`${route} shows it`, () => isShown(demo))));
        times.push(Math.round(performance.now() - began));
      } while (Math.min(...times) > SOON && times.length < 3);
      assert.ok(Math.min(...times) <= SOON, `${times} ms`);
      for (const demo of demos) {
        await demo.close();
        assert.deepEqual(demo.problems, [], "the browser complained");
      }
    });
  }

  it("has one socket per system, on any page and after a walk through all of them", async () => {
    const demo = await Demo.open(browser, system);
    await demo.isLive();
    for (const route of SYSTEMS) {
      await demo.test(`rail-${route}`).click();
      await demo.page.getByRole("heading", { level: 1 }).waitFor();
    }
    await demo.test("rail-parking").click();
    const expected = ["/socket.io/", "/socket.io/", "/ws/", "/ws/attendance/", "/ws/notifications/"];
    await until("the moderator's socket is closed", () => demo.open().length === expected.length);
    assert.deepEqual(demo.open(), expected);
    await demo.close();
    assert.deepEqual(demo.problems, []);
  });

  it("workshop: a second window sees who types, and moves with the first", async () => {
    const tia = await Demo.open(browser, system, "workshop", { as: "tia" });
    await tia.isLive();
    const opening = tia.context.waitForEvent("page");
    await tia.test("second-window").click();
    const tom = await opening;
    await tom.getByTestId("person").filter({ hasText: "Tom" }).waitFor();
    const order = (await system.rest("GET", "repairs/work-orders/")).find(({ status }) => status === "pending");
    // A sign that somebody types is kept for nobody: typed until the other window is in the room.
    await until("Tia sees that Tom types", async () => {
      await tom.getByTestId(`note-${order.id}`).press("x");
      return /Tom/.test(await tia.test(`typing-${order.id}`).textContent());
    });
    await tia.test(`order-move-completed-${order.id}`).click();
    for (const page of [tia.page, tom]) await page.getByTestId("order-column-completed").getByTestId(`order-${order.id}`).waitFor();
    await tia.close();
    assert.deepEqual(tia.problems, []);
  });

  it("class: the moderator closes the session, and the student's phone says why it refuses", async () => {
    const demo = await Demo.open(browser, system, "class", { as: "ben" });
    await demo.isLive();
    await demo.test("close-session").click();
    await demo.page.locator("[data-testid=close-session][aria-pressed=true]").waitFor();
    await demo.test("mark-attendance").click();
    await demo.test("mark-refusal").filter({ hasText: "Invalid or inactive session" }).waitFor();
    await demo.test("open-session").click();
    await demo.page.locator("[data-testid=open-session][aria-pressed=true]").waitFor();
    await demo.test("mark-attendance").click();
    await demo.page.locator(".seat[data-own=true][data-status=present], .seat[data-own=true][data-status=late]").waitFor();
    await demo.close();
    assert.deepEqual(demo.problems, []);
  });

  it("becomes another person with one click, and stays it after a reload", async () => {
    const asked = [];
    const watch = (request) => request.url().endsWith("/demo/control/config") && asked.push(request.url());
    const demo = await Demo.open(browser, system, "workshop", { as: "ann", watch });
    await demo.isLive();
    await demo.page.locator("canvas").evaluate((canvas) => (canvas.dataset.kept = "yes"));
    await demo.test("person").click();
    await demo.test("person-tia").click();
    await until("the name is shown", async () => /Tia/.test(await demo.test("person").textContent()));
    await demo.isLive();
    // The shell stays as it is: the focus is on the button, the river has its dots, nothing is asked again.
    assert.equal(await demo.page.evaluate(() => document.activeElement.dataset.testid), "person");
    assert.equal(await demo.page.locator("canvas").getAttribute("data-kept"), "yes");
    assert.equal(asked.length, 1);
    await demo.page.reload();
    await until("the name is still shown", async () => /Tia/.test(await demo.test("person").textContent()));
    await demo.close();
    assert.deepEqual(demo.problems, []);
  });

  it("keeps its shell where a page cannot be loaded, and where the browser keeps nothing", async () => {
    const demo = await Demo.open(browser, system);
    await demo.page.addInitScript(() => {
      for (const kind of ["localStorage", "sessionStorage"]) {
        Object.defineProperty(window, kind, {
          get() {
            throw new DOMException("The operation is insecure.", "SecurityError");
          },
        });
      }
    });
    await demo.page.route(/\/assets\/parking-.*\.js/, (route) => route.abort());
    await demo.page.reload();
    await demo.test("rail-parking").click();
    await demo.page.getByRole("button", { name: "Load the page again" }).waitFor();
    await demo.goTo("visitors");
    await demo.isLive();
    await demo.close();
    assert.deepEqual(demo.problems.filter((problem) => /^(exception|policy)/.test(problem)), []);
  });

  it("is reached and used by keyboard alone", async () => {
    const demo = await Demo.open(browser, system);
    await demo.isLive();
    for (const route of SYSTEMS) {
      await demo.tabTo(`rail-${route}`);
      await demo.page.keyboard.press("Enter");
      await until(`${route} is the page`, () => demo.page.url().endsWith(`#/${route}`));
    }
    await demo.tabTo("break-it");
    await demo.page.keyboard.press("Enter");
    await demo.test("break-burst").waitFor();
    await demo.page.keyboard.press("Escape");
    await demo.test("break-burst").waitFor({ state: "hidden" });
    await demo.close();
    assert.deepEqual(demo.problems, []);
  });

  it("is small, and quickly usable", async (test) => {
    const loaded = new Set();
    const first = await Demo.open(browser, system, "visitors", { watch: (request) => loaded.add(new URL(request.url()).pathname) });
    await first.page.getByRole("heading", { level: 1 }).waitFor();
    const files = [...loaded].filter((path) => path.startsWith("/assets/"));
    await first.close();
    const bodies = await Promise.all(files.map(async (path) => Buffer.from(await (await fetch(system.url + path)).arrayBuffer())));
    const size = bodies.reduce((sum, body) => sum + gzipSync(body, { level: 9 }).length, 0);
    assert.ok(files.length >= 3 && size <= MAX_BUNDLE, `${size} bytes in ${files}`);
    // The best of some: other processes may have both processors for a while.
    const times = [];
    do {
      const demo = await Demo.open(browser, system);
      times.push(Math.round(await demo.interactive()));
      await demo.close();
    } while (Math.min(...times) > 1_500 && times.length < 6);
    test.diagnostic(`${size} bytes compressed, usable after ${times} ms`);
    assert.ok(Math.min(...times) <= 1_500, `${times} ms`);
  });

  it("asks nothing of another host", async () => {
    const hosts = new Set();
    const demo = await Demo.open(browser, system, "visitors", { watch: (request) => hosts.add(new URL(request.url()).host) });
    await demo.isLive();
    await demo.close();
    assert.deepEqual([...hosts], [new URL(system.url).host]);
  });
});
