// The demonstration as `make demo` starts it, with ports of its own, and one of its pages in Chromium.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { violations } from "./axe.js";
import { binary } from "./gate.js";
import { watchProblems } from "./live.js";
import { until } from "./until.js";

const root = new URL("../../../", import.meta.url);
const file = (path) => fileURLToPath(new URL(path, root));

export const SYSTEMS = ["visitors", "parking", "manager", "class", "workshop"];

function listens(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** The first of `count` neighbouring ports that are free, below those that the system gives to outgoing connections. */
async function freePorts(count) {
  for (;;) {
    const first = 10_240 + Math.floor(Math.random() * 20_000);
    const servers = await Promise.all(Array.from({ length: count }, (_, index) => listens(first + index)));
    await Promise.all(servers.map((server) => server && new Promise((resolve) => void server.close(resolve))));
    if (servers.every(Boolean)) return first;
  }
}

export class System {
  #child;
  #log = "";

  /** Starts it; what happens in it by itself is paused, unless `activity`. */
  static async start({ activity = false, speed = 1 } = {}) {
    const system = new System();
    system.run = await mkdtemp(join(tmpdir(), "channelgate-demo-"));
    const first = await freePorts(7);
    const [HTTP_PORT, DJANGO_PORT, REDIS_PORT, CONTROL_PORT, NODE_PORT] = [0, 1, 2, 3, 4].map((index) => String(first + index));
    system.url = `http://127.0.0.1:${HTTP_PORT}`;
    const inherited = Object.entries(process.env).filter(([name]) => !/^(CHANNELGATE|REDIS_|DJANGO_|RUST_LOG)/.test(name));
    system.#child = spawn(file(".venv/bin/python"), [file("scripts/demo.py"), "--nodes", "3"], {
      env: {
        ...Object.fromEntries(inherited),
        HTTP_PORT, DJANGO_PORT, REDIS_PORT, CONTROL_PORT, NODE_PORT,
        UP_DIR: system.run,
        CHANNELGATE_BIN: binary(),
        PYTHONUNBUFFERED: "1",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const child = system.#child;
    child.ended = new Promise((resolve) => void child.once("exit", (code, signal) => resolve({ code, signal })));
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (system.#log += data));
    let ended;
    void child.ended.then((how) => (ended = how));
    try {
      await until("the demonstration runs", () => {
        if (ended) throw new Error(`it ended: ${JSON.stringify(ended)}\n${system.#log}`);
        return system.#log.includes("The demonstration runs.");
      }, 90_000);
      await system.control("activity", { paused: !activity, speed });
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  /** Ctrl-C. */
  async stop() {
    const child = this.#child;
    child.kill("SIGINT");
    const force = setTimeout(() => child.kill("SIGKILL"), 40_000);
    const how = await child.ended;
    clearTimeout(force);
    await rm(this.run, { recursive: true, force: true });
    return how;
  }

  async control(action, body = {}) {
    const response = await fetch(`${this.url}/demo/control/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Demo": "1", Origin: this.url },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${action}: HTTP ${response.status} ${await response.text()}`);
    return response.text();
  }

  /** What the control process knows: nodes with their states, and the pace. */
  async config() {
    return (await fetch(`${this.url}/demo/control/config`)).json();
  }

  /** All nodes run, and take clients. */
  async isWhole() {
    const { nodes } = await this.config();
    const ready = nodes.map(async ({ port, state }) => state === "running" && (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok);
    return nodes.length === 3 && (await Promise.all(ready)).every(Boolean);
  }

  /** What Django has sent: the lines of sent.jsonl. */
  async sent() {
    return (await readFile(join(this.run, "sent.jsonl"), "utf8")).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  async #authorization(username) {
    const response = await fetch(`${this.url}/api/token/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password: "demonstration" }),
    });
    return `Bearer ${(await response.json()).access}`;
  }

  /** A request to Django's REST, as any program of the project makes it. A form if `body` is one. */
  async rest(method, path, body, { as = "ada" } = {}) {
    const isForm = body instanceof FormData;
    const response = await fetch(`${this.url}/api/${path}`, {
      method,
      headers: { Authorization: await this.#authorization(as), ...(!isForm && body && { "Content-Type": "application/json" }) },
      ...(body && { body: isForm ? body : JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status} ${await response.text()}`);
    return response.status === 204 ? null : response.json();
  }
}

/** Runs before the page's own scripts. */
function observe() {
  window.shifts = [];
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries())).observe({ type: "longtask", buffered: true });
  const found = () => {
    if (document.querySelector("h1")) window.shownAt ??= performance.now();
    else requestAnimationFrame(found);
  };
  found();
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.hadRecentInput) window.shifts.push({ value: entry.value, of: entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80)) });
    }
  }).observe({ type: "layout-shift", buffered: true });
}

/** Between the page and the server of these addresses: frames to the page for which `isLost` says so never arrive. */
function swallow(page, address, isLost) {
  return page.routeWebSocket(address, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((frame) => void (isLost(frame) || socket.send(frame)));
  });
}

export class Demo {
  problems = [];
  /** Every socket that the page has opened, with when and whether it is closed. */
  sockets = [];

  /** Opens a page of the demonstration as a person, not for the first time; `options` are the browser context's. */
  static async open(browser, system, route = "visitors", { as = "ann", url = system.url, watch, sockets, ...options } = {}) {
    const demo = new Demo();
    demo.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    demo.page = await demo.context.newPage();
    demo.page.setDefaultTimeout(30_000);
    await watchProblems(demo.page, demo.problems);
    demo.page.on("websocket", (socket) => {
      const seen = { url: socket.url(), isClosed: false };
      demo.sockets.push(seen);
      socket.on("close", () => (seen.isClosed = true));
    });
    if (watch) demo.page.on("request", watch);
    if (sockets) await swallow(demo.page, ...sockets);
    await demo.page.addInitScript(observe);
    await demo.page.addInitScript(() => window.localStorage.setItem("hint", "seen"));
    await demo.page.goto(`${url}/?as=${as}#/${route}`);
    await demo.test("river").waitFor();
    return demo;
  }

  close() {
    return this.context.close();
  }

  /** Goes to another of the five pages, as by its link. */
  async goTo(route) {
    await this.test(`rail-${route}`).click();
    await this.page.getByRole("heading", { level: 1, name: new RegExp(route, "i") }).waitFor();
  }

  test(id) {
    return this.page.getByTestId(id);
  }

  /** Waits until every system's socket is open and nothing is missing. */
  async isLive(ms = 30_000) {
    for (const system of SYSTEMS) {
      await until(`${system} is served`, async () => (await this.test(`rail-${system}`).getAttribute("data-node")) !== "", ms);
    }
    await until("nothing is missing", async () => (await this.page.locator(".counts").getAttribute("data-waiting")) === "0", ms);
  }

  async number(id) {
    return Number(await this.test(id).getAttribute("data-value"));
  }

  /** Events of a system that have come. */
  async came(system) {
    return Number(await this.test(`rail-${system}`).getAttribute("data-count"));
  }

  /** The sockets that are open, by path. */
  open() {
    return this.sockets.filter(({ isClosed }) => !isClosed).map(({ url }) => new URL(url).pathname).sort();
  }

  /** Presses Tab until the element has the focus, and checks that the focus is seen. */
  async tabTo(id) {
    for (let presses = 0; presses < 150; presses += 1) {
      const [testid, outline] = await this.page.evaluate(() => [document.activeElement?.dataset.testid, getComputedStyle(document.activeElement).outlineStyle]);
      if (testid === id) {
        if (outline === "none") throw new Error(`the focus on ${id} is not seen`);
        return;
      }
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`${id} is not reached by Tab`);
  }

  /** When the first page could be used, in ms since the navigation began: its heading was shown, and the script at work then had ended. */
  async interactive() {
    const quiet = 500;
    await this.page.waitForFunction((ms) => performance.now() > window.shownAt + ms, quiet);
    return this.page.evaluate((ms) => {
      const tasks = window.tasks.filter(({ startTime }) => startTime < window.shownAt + ms).map(({ startTime, duration }) => startTime + duration);
      return Math.max(performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity, window.shownAt, ...tasks);
    }, quiet);
  }

  /** The sum of layout shifts so far, and what moved. */
  async shifts() {
    const shifts = await this.page.evaluate(() => window.shifts);
    return { sum: shifts.reduce((sum, { value }) => sum + value, 0), shifts };
  }

  /** What axe finds wrong, a line each. */
  async violations() {
    // What fades in has not its contrast yet.
    await this.page.evaluate(() =>
      Promise.all(document.getAnimations().filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity).map((animation) => animation.finished.catch(() => undefined))),
    );
    return violations(this.page);
  }
}
