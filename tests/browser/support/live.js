// The live page in a real Chromium, driven through its data-testid attributes.

import { chromium } from "playwright-core";

import { until } from "./until.js";

/** A fresh browser with a profile of its own that is deleted with it. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/** Collects console errors and warnings, exceptions, failed requests and violations of the content security policy. */
export async function watchProblems(page, problems) {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) => {
    // The page itself ends a request that it does not need any more.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") problems.push(`failed: ${request.url()}`);
  });
  await page.exposeFunction("reportViolation", (what) => problems.push(`policy: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      window.reportViolation(`${violatedDirective} ${blockedURI}`);
    });
  });
}

export class Live {
  /** Console errors, exceptions, failed requests and violations of the content security policy. */
  problems = [];

  constructor(context, page) {
    this.context = context;
    this.page = page;
  }

  /** Opens the page of a node; `options` are the browser context's (viewport, colorScheme, …). */
  static async open(browser, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const live = new this(context, page);
    await watchProblems(page, live.problems);
    await page.goto(url);
    await live.ready();
    return live;
  }

  /** Resolves when the page is filled. */
  ready() {
    return this.test("consumer").first().waitFor();
  }

  close() {
    return this.context.close();
  }

  test(id) {
    return this.page.getByTestId(id);
  }

  card(name) {
    return this.page.locator(`[data-testid=consumer][data-name="${name}"]`);
  }

  in(name, id) {
    return this.card(name).getByTestId(id);
  }

  async stateIs(name, pattern, ms) {
    const state = this.in(name, "consumer-state");
    return until(`${name} is ${pattern}`, async () => pattern.test(await state.textContent()), ms);
  }

  /** Shows what a card can do. */
  async expand(name) {
    const expander = this.in(name, "consumer-open");
    if ((await expander.getAttribute("aria-expanded")) === "false") await expander.click();
  }

  async connect(name) {
    await this.in(name, "consumer-toggle").click();
    await this.stateIs(name, /^Open$/);
  }

  /** Subscribes, and waits until the node must have taken it: the frame has left before anything sent later. */
  async subscribe(name, types) {
    await this.expand(name);
    await this.in(name, "subscribe-types").fill(types.join(", "));
    await this.in(name, "subscribe").click();
    await until("the subscribe is shown", async () => (await this.in(name, "subscribed").textContent()).startsWith("Subscribed:"));
  }

  /** Emits an event from a card; `args` is the text of its arguments. */
  async emit(name, event, args = "", { ack = false } = {}) {
    await this.expand(name);
    await this.in(name, "emit-event").fill(event);
    await this.in(name, "emit-arguments").fill(args);
    await this.in(name, "emit-ack").setChecked(ack);
    await this.in(name, "emit").click();
  }

  /** The rows of Socket.IO events of a card: `[{ event, mark, data }]`, oldest first. */
  async events(name, direction = "in") {
    if ((await this.test("frames-expand").getAttribute("aria-pressed")) === "false") await this.test("frames-expand").click();
    const rows = await this.page.locator(`[data-testid=frame][data-consumer="${name}"][data-direction=${direction}]`).evaluateAll(
      (all) => all.map((row) => ({
        event: row.dataset.event,
        mark: row.querySelector("[data-testid=frame-mark]").textContent,
        text: row.querySelector("[data-testid=frame-content]").textContent,
      })),
    );
    return rows.reverse().map(({ text, ...row }) => ({ ...row, data: text === "" ? undefined : JSON.parse(text) }));
  }

  /** The data of the last event with this name that a card has received, once there is one. */
  async hears(name, event, matches = () => true) {
    return until(`${name} receives ${event}`, async () => {
      const found = (await this.events(name)).filter((row) => row.event === event && row.mark === "" && matches(row.data));
      return found.length > 0 && { data: found.at(-1).data };
    }).then(({ data }) => data);
  }

  /** Received frames of a consumer as text, oldest first. */
  async frames(name, direction = "in") {
    if ((await this.test("frames-expand").getAttribute("aria-pressed")) === "false") await this.test("frames-expand").click();
    const rows = this.page.locator(`[data-testid=frame][data-consumer="${name}"][data-direction=${direction}] [data-testid=frame-content]`);
    return (await rows.allTextContents()).reverse();
  }

  async framesJson(name) {
    return (await this.frames(name)).map((text) => JSON.parse(text));
  }

  async receives(name, count, ms) {
    return until(`${count} frames of ${name}`, async () => {
      const frames = await this.framesJson(name);
      return frames.length >= count && frames;
    }, ms);
  }

  async choose(title) {
    await this.test("publish-sample").selectOption({ label: title });
    return {
      group: await this.test("publish-group").inputValue(),
      event: JSON.parse(await this.test("publish-event").inputValue()),
    };
  }

  /** Publishes what the panel holds and resolves with the text of the answer. */
  async publish() {
    // The panel keeps the answer to what was published before.
    await this.test("publish-answer").evaluate((answer) => answer.replaceChildren());
    await this.test("publish-send").click();
    return until("an answer", async () => {
      const text = await this.test("publish-answer").textContent();
      return /^(\d{3}|No answer) /.test(text) && text;
    });
  }
}

/** Elements that reach beyond the window to the right, which would scroll the page sideways. */
export function overflowing(page) {
  return page.evaluate(() => {
    const wide = [...document.querySelectorAll("body *")].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.right > innerWidth + 0.5 && !element.closest(".visually-hidden, select, datalist");
    });
    const sideways = document.documentElement.scrollWidth > innerWidth ? [`the page is ${document.documentElement.scrollWidth} px wide`] : [];
    return [...sideways, ...wide.map((element) => element.outerHTML.slice(0, 120))];
  });
}
