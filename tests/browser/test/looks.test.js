// The page for everybody: small windows, keyboards, screen readers, light and dark.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Gate } from "../support/gate.js";
import { launch, Live, overflowing } from "../support/live.js";
import { until } from "../support/until.js";

describe("the live page for everybody", () => {
  let gate;
  let browser;

  before(async () => {
    gate = await Gate.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await gate?.stop();
  });

  async function filled(options) {
    const live = await Live.open(browser, gate.pageUrl, options);
    await live.test("try-everything").click();
    await until("everything is tried", async () => /published/.test(await live.test("try-status").textContent()), 20_000);
    return live;
  }

  for (const width of [320, 360, 768, 1280]) {
    it(`never scrolls sideways at ${width} px`, async () => {
      const live = await Live.open(browser, gate.pageUrl, { viewport: { width, height: 740 } });
      assert.deepEqual(await overflowing(live.page), [], "when opened");
      await live.close();
      const used = await filled({ viewport: { width, height: 740 } });
      await used.page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      await gate.publish("broadcast", { type: "send_event", event: "wide", data: { ["k".repeat(300)]: "v".repeat(3000) } });
      await until("the wide frame is there", async () => (await used.test("frames").textContent()).includes("kkkk"));
      await used.test("publish-group").fill("x".repeat(150));
      assert.deepEqual(await overflowing(used.page), [], "in use");
      await used.close();
    });
  }

  for (const colorScheme of ["light", "dark"]) {
    it(`has the contrast of WCAG AA in ${colorScheme}`, async () => {
      const live = await filled({ colorScheme, reducedMotion: "reduce" });
      await live.test("publish-event").fill("{");
      assert.deepEqual(await live.page.evaluate(lowContrast), []);
      await live.close();
    });
  }

  it("names every control, for people and for tests", async () => {
    const live = await filled();
    const unnamed = await live.page.evaluate(() =>
      [...document.querySelectorAll("button, input, select, textarea, summary")]
        .filter((control) => {
          const name = control.getAttribute("aria-label") ?? control.labels?.[0]?.textContent ?? control.textContent;
          return !control.dataset.testid || name.trim() === "";
        })
        .map((control) => control.outerHTML.slice(0, 120)),
    );
    assert.deepEqual(unnamed, []);
    await live.close();
  });

  it("works by keyboard alone", async () => {
    const live = await Live.open(browser, gate.pageUrl);
    const { keyboard } = live.page;
    const focus = async (testid) => {
      for (let presses = 0; presses < 60; presses += 1) {
        if ((await live.page.evaluate(() => document.activeElement?.dataset.testid)) === testid) return;
        await keyboard.press("Tab");
      }
      assert.fail(`${testid} is not reached by Tab`);
    };
    await focus("connect-all");
    await keyboard.press("Enter");
    for (const name of ["feed", "parking", "attendance"]) await live.stateIs(name, /^Open$/);
    await focus("publish-event");
    const ring = await live.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(ring, "solid", "the focus is seen");
    await keyboard.press("Control+Enter");
    await live.receives("feed", 1);
    await live.close();
  });

  it("announces states politely", async () => {
    const live = await Live.open(browser, gate.pageUrl);
    await live.connect("feed");
    const region = live.test("announce");
    assert.equal(await region.getAttribute("aria-live"), "polite");
    await until("the state is announced", async () => (await region.textContent()) === "feed: open");
    await live.close();
  });

  it("is photographed for the README", { skip: process.env.UPDATE_SCREENSHOT !== "1" && "set UPDATE_SCREENSHOT=1" }, async () => {
    const live = await filled({ viewport: { width: 1280, height: 940 }, deviceScaleFactor: 1.5, reducedMotion: "reduce" });
    await live.choose("client_create");
    await live.publish();
    await until("the frame is marked", async () => /feed: frame after/.test(await live.test("publish-answer").textContent()));
    await live.page.mouse.move(0, 0);
    const folder = new URL("../../../docs/images/", import.meta.url);
    await mkdir(folder, { recursive: true });
    await live.page.screenshot({ path: fileURLToPath(new URL("live-page.png", folder)) });
    await live.close();
  });
});

/** Runs in the page: texts whose contrast with what lies behind them is below 4.5 (3 for large ones). */
function lowContrast() {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return { channels: [red, green, blue], alpha };
  };
  const luminance = (channels) => {
    const [red, green, blue] = channels.map((channel) => channel / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { channels, alpha } = rgba(getComputedStyle(at).backgroundColor);
      if (alpha === 255) return channels;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const hidden = box.width === 0 || style.visibility === "hidden" || element.closest("script, template, noscript, .visually-hidden, .skip, option, :disabled");
    if (walker.currentNode.data.trim() === "" || hidden) continue;
    const [lighter, darker] = [luminance(rgba(style.color).channels), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (lighter + 0.05) / (darker + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return found;
}
