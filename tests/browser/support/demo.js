// The demonstration as `make demo` starts it, with ports of its own, and one of its pages in Chromium.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { violations } from "./axe.js";
import { binary } from "./gate.js";
import { watchProblems } from "./live.js";
import { Process } from "./process.js";
import { until } from "./until.js";

const root = new URL("../../../", import.meta.url);
const file = (path) => fileURLToPath(new URL(path, root));

export const SYSTEMS = ["visitors", "parking", "manager", "class", "workshop"];

/** For one answer, in ms. Within `until` it is asked again; an order to break something may take much longer. */
const ANSWER = 5_000;
const ORDER = 60_000;

function listens(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** The first of `count` neighbouring ports that are free, below those that the system gives to outgoing connections. */
export async function freePorts(count) {
  for (;;) {
    const first = 10_240 + Math.floor(Math.random() * 20_000);
    const servers = await Promise.all(Array.from({ length: count }, (_, index) => listens(first + index)));
    await Promise.all(servers.map((server) => server && new Promise((resolve) => void server.close(resolve))));
    if (servers.every(Boolean)) return first;
  }
}

export class System {
  #process;
  /** Of each person who has logged in. */
  #tokens = new Map();

  /** Starts it. Unless `activity`, Django publishes nothing by itself once this has returned. */
  static async start({ activity = false, speed = 1 } = {}) {
    const system = new System();
    system.run = await mkdtemp(join(tmpdir(), "channelgate-demo-"));
    const first = await freePorts(7);
    const ports = [0, 1, 2, 3, 4].map((index) => String(first + index));
    const [HTTP_PORT, DJANGO_PORT, REDIS_PORT, CONTROL_PORT, NODE_PORT] = ports;
    system.url = `http://127.0.0.1:${HTTP_PORT}`;
    const isOwn = ([name]) => /^(CHANNELGATE|REDIS_|DJANGO_|RUST_LOG)/.test(name);
    const inherited = Object.entries(process.env).filter((variable) => !isOwn(variable));
    system.#process = new Process(file(".venv/bin/python"), [file("scripts/demo.py"), "--nodes", "3"], {
      env: {
        ...Object.fromEntries(inherited),
        HTTP_PORT, DJANGO_PORT, REDIS_PORT, CONTROL_PORT, NODE_PORT,
        UP_DIR: system.run,
        CHANNELGATE_BIN: binary(),
        PYTHONUNBUFFERED: "1",
      },
      // Ctrl-C.
      signal: "SIGINT",
    });
    const runs = () => system.#process.log.includes("The demonstration runs.");
    try {
      await system.#process.isReady("the demonstration runs", runs, 90_000);
      await system.control("activity", { paused: !activity, speed });
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  async stop() {
    const how = await this.#process.stop();
    await rm(this.run, { recursive: true, force: true });
    return how;
  }

  async control(action, body = {}) {
    const response = await fetch(`${this.url}/demo/control/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Demo": "1", Origin: this.url },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ORDER),
    });
    if (!response.ok) throw new Error(`${action}: HTTP ${response.status} ${await response.text()}`);
    return response.text();
  }

  /** What the control process knows: nodes with their states, and the pace. */
  async config() {
    return (await fetch(`${this.url}/demo/control/config`, { signal: AbortSignal.timeout(ANSWER) })).json();
  }

  /** All nodes run, and take clients. */
  async isWhole() {
    const { nodes } = await this.config();
    const ask = (port) => fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(ANSWER) });
    const ready = nodes.map(async ({ port, state }) => state === "running" && (await ask(port)).ok);
    return nodes.length === 3 && (await Promise.all(ready)).every(Boolean);
  }

  async #authorization(username) {
    if (!this.#tokens.has(username)) {
      const response = await fetch(`${this.url}/api/token/`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ username, password: "demonstration" }),
        signal: AbortSignal.timeout(ORDER),
      });
      if (!response.ok) throw new Error(`login of ${username}: HTTP ${response.status}`);
      this.#tokens.set(username, `Bearer ${(await response.json()).access}`);
    }
    return this.#tokens.get(username);
  }

  /** A request to Django's REST, as any program of the project makes it. A form if `body` is one. */
  async rest(method, path, body, { as = "ada" } = {}) {
    const isForm = body instanceof FormData;
    const kind = !isForm && body && { "Content-Type": "application/json" };
    const response = await fetch(`${this.url}/api/${path}`, {
      method,
      headers: { Authorization: await this.#authorization(as), ...kind },
      ...(body && { body: isForm ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(ORDER),
    });
    if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status} ${await response.text()}`);
    return response.status === 204 ? null : response.json();
  }
}

/** Runs before the page's own scripts, and writes down what happens between two looks of a test. */
function observe() {
  const seen = { shifts: [], tasks: [], moved: [] };
  Object.assign(seen, { isLive: false, liveSince: 0, cameAt: 0, longestQuiet: 0, hasMissed: false });
  window.seen = seen;
  const watch = (type, take) => {
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  };
  watch("longtask", (entry) => seen.tasks.push(entry));
  watch("layout-shift", ({ value, sources, hadRecentInput }) => {
    if (!hadRecentInput) seen.shifts.push({ value, of: sources.map(({ node }) => node?.outerHTML?.slice(0, 80)) });
  });
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  for (const kind of ["animationstart", "transitionrun"]) {
    const take = ({ target }) => {
      // One that began before motion was switched off is reported after it, when it has ended.
      const isMoving = still.matches && target.getAnimations({ subtree: true }).length > 0;
      if (isMoving) seen.moved.push(`${kind} ${target.outerHTML.slice(0, 80)}`);
    };
    addEventListener(kind, take, true);
  }
  let came = 0;
  const look = () => {
    const now = performance.now();
    if (document.querySelector("h1")) seen.shownAt ??= now;
    const rail = [...document.querySelectorAll("[data-testid^=rail-]")].map(({ dataset }) => dataset);
    const wasLive = seen.isLive;
    const isServed = rail.length === 5 && rail.every(({ node }) => node !== "");
    seen.isLive = isServed && document.querySelector("[data-waiting]")?.dataset.waiting === "0";
    if (seen.isLive && !wasLive) seen.liveSince = now;
    seen.hasMissed ||= document.querySelector(".missed-bar") !== null;
    const before = came;
    came = rail.reduce((sum, { count }) => sum + Number(count), 0);
    if (came === before) return;
    seen.longestQuiet = Math.max(seen.longestQuiet, now - seen.cameAt);
    seen.cameAt = now;
  };
  const attributeFilter = ["data-node", "data-waiting", "data-count"];
  new window.MutationObserver(look).observe(document, { subtree: true, childList: true, attributeFilter });
}

/** Between the page and the server of these addresses: frames to the page for which `isLost` says so never arrive. */
function swallow(page, address, isLost) {
  return page.routeWebSocket(address, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((frame) => void (isLost(frame) || socket.send(frame)));
  });
}

/** What Chromium writes about a refused handshake, of a node that is not ready for instance. The client tries again. */
const REFUSED = /WebSocket connection to /;

export class Demo {
  /** What the browser has complained about. */
  problems = [];
  /** Every socket that the page has opened, and whether it is closed. */
  sockets = [];
  /** Hosts of all requests and sockets. */
  hosts = new Set();

  /**
   * Opens a page of the demonstration as a person, not for the first time unless `isFirst`. `watch` gets every request,
   * `sockets` are arguments of `swallow`, and the others are the browser context's.
   */
  static async open(browser, system, route = "visitors", settings = {}) {
    const { as = "ann", url = system.url, isFirst = false, watch, sockets, ...options } = settings;
    const demo = new Demo();
    demo.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    demo.page = await demo.context.newPage();
    demo.page.setDefaultTimeout(30_000);
    const push = (problem) => void (REFUSED.test(problem) || demo.problems.push(problem));
    await watchProblems(demo.page, { push });
    demo.page.on("websocket", (socket) => {
      const seen = { url: socket.url(), isClosed: false };
      demo.sockets.push(seen);
      demo.hosts.add(new URL(socket.url()).host);
      socket.on("close", () => (seen.isClosed = true));
    });
    demo.page.on("request", (request) => {
      demo.hosts.add(new URL(request.url()).host);
      watch?.(request);
    });
    if (sockets) await swallow(demo.page, ...sockets);
    await demo.page.addInitScript(observe);
    if (!isFirst) await demo.page.addInitScript(() => window.localStorage.setItem("hint", "seen"));
    await demo.page.goto(`${url}/?as=${as}#/${route}`);
    await demo.shows(route);
    return demo;
  }

  close() {
    return this.context.close();
  }

  /** Waits until one of the five pages is the one that is shown. */
  shows(route) {
    return this.page.getByRole("heading", { level: 1, name: new RegExp(route, "i") }).waitFor();
  }

  /** Goes to another of the five pages, as by its link. */
  async goTo(route) {
    await this.test(`rail-${route}`).click();
    await this.shows(route);
  }

  test(id) {
    return this.page.getByTestId(id);
  }

  /** What `observe` has written down. */
  seen(what) {
    return this.page.evaluate((name) => window.seen[name], what);
  }

  /** Waits until every system's socket is open and nothing is missing. */
  isLive(ms = 30_000) {
    return until("every system is served, and nothing is missing", () => this.seen("isLive"), ms);
  }

  /** From now on `seen` has what follows. */
  look() {
    return this.page.evaluate(() => {
      Object.assign(window.seen, { cameAt: performance.now(), longestQuiet: 0, hasMissed: false });
      return performance.now();
    });
  }

  /** What the line says became of events since something was broken, numbers by their names; null until it does. */
  async fact() {
    const [at, text] = await this.test("fact").evaluate(({ dataset, textContent }) => [dataset.at, textContent]);
    const [list] = /\bSent \d.*/.exec(text) ?? [];
    if (list === undefined) return null;
    const found = [...list.matchAll(/([a-z ]+) ([\d,]*\d)/gi)];
    const numbers = found.map(([, name, number]) => [name.trim(), Number(number.replaceAll(",", ""))]);
    return { at, text, ...Object.fromEntries(numbers) };
  }

  async number(id) {
    return Number(await this.test(id).getAttribute("data-value"));
  }

  /** Events of a system that have come. */
  async came(system) {
    return Number(await this.test(`rail-${system}`).getAttribute("data-count"));
  }

  /** The paths of the sockets of the systems; of those that are open, or of all that ever were. */
  paths({ open = true } = {}) {
    const paths = this.sockets.filter(({ isClosed }) => !open || !isClosed).map(({ url }) => new URL(url).pathname);
    // The development server has a socket of its own.
    return paths.filter((path) => /^\/(ws|socket\.io)\//.test(path)).sort();
  }

  /** Presses Tab, or Shift and Tab, until the element has the focus, and checks that the focus is seen. */
  async tabTo(element) {
    for (let presses = 0; presses < 150; presses += 1) {
      const [key, outline] = await element.evaluate((node) => {
        const active = document.activeElement;
        const isBefore = node.compareDocumentPosition(active) & node.DOCUMENT_POSITION_FOLLOWING;
        if (node !== active) return [isBefore ? "Shift+Tab" : "Tab"];
        // What is laid over its label transparently has its outline there.
        return [null, getComputedStyle(node.matches(".chip input") ? node.parentElement : node).outlineStyle];
      });
      if (outline === "none") throw new Error(`the focus on ${element} is not seen`);
      if (key === null) return;
      await this.page.keyboard.press(key);
    }
    throw new Error(`${element} is not reached by Tab`);
  }

  /** Whether the element has the focus. */
  hasFocus(element) {
    return element.evaluate((node) => node === document.activeElement);
  }

  /**
   * When the first page could be used, in ms since the navigation began: its heading was shown, and the script at work
   * then had ended.
   */
  async interactive() {
    const quiet = 500;
    await this.page.waitForFunction((ms) => performance.now() > window.seen.shownAt + ms, quiet);
    return this.page.evaluate((ms) => {
      const { tasks, shownAt } = window.seen;
      const began = tasks.filter(({ startTime }) => startTime < shownAt + ms);
      const ends = began.map(({ startTime, duration }) => startTime + duration);
      const [paint] = performance.getEntriesByName("first-contentful-paint");
      return Math.max(paint?.startTime ?? Infinity, shownAt, ...ends);
    }, quiet);
  }

  /** What axe finds wrong, a line each. Only where motion is not wanted: what fades in has not its contrast yet. */
  violations() {
    return violations(this.page);
  }
}
