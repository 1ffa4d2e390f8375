// How the page looks and is used: small windows, keyboards, screen readers, light and dark.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Gate } from "../support/gate.js";
import { launch, Live, overflowing } from "../support/live.js";
import { reduced } from "../support/png.js";
import { until } from "../support/until.js";

const PRESETS = ["feed", "parking", "attendance", "tracker", "repair-shop", "dashboard"];

/** With SCREENSHOTS=1 the photographs are the README's; otherwise they are thrown away. */
const kept = process.env.SCREENSHOTS === "1" && fileURLToPath(new URL("../../../docs/images/", import.meta.url));

describe("the look of the live page", () => {
  let gate;
  let browser;
  let photographs;

  before(async () => {
    photographs = kept || (await mkdtemp(join(tmpdir(), "channelgate-page-")));
    gate = await Gate.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await gate?.stop();
    if (photographs && !kept) await rm(photographs, { recursive: true });
  });

  async function expandAll(live) {
    for (const name of PRESETS) await live.expand(name);
    await live.page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  }

  async function filled(options) {
    const live = await Live.open(browser, gate.pageUrl, options);
    await live.test("try-everything").click();
    await until("everything is tried", async () => /published/.test(await live.test("try-status").textContent()), 40_000);
    return live;
  }

  for (const width of [320, 390, 768, 1280]) {
    it(`never scrolls sideways at ${width} px`, async () => {
      const live = await Live.open(browser, gate.pageUrl, { viewport: { width, height: 740 } });
      assert.deepEqual(await overflowing(live.page), [], "when opened");
      await live.close();
      const used = await filled({ viewport: { width, height: 740 } });
      await expandAll(used);
      await used.in("tracker", "client-add").click();
      await gate.publish("broadcast", { type: "send_event", event: "wide", data: { ["k".repeat(300)]: "v".repeat(3000) } });
      await until("the wide frame is there", async () => (await used.test("frames").textContent()).includes("kkkk"));
      await used.emit("dashboard", "w".repeat(400), JSON.stringify(["v".repeat(400)]), { ack: true });
      await used.in("repair-shop", "room-argument").fill(`work_order_${"1".repeat(80)}`);
      await used.in("repair-shop", "room-join").click();
      await used.test("publish-group").fill("x".repeat(150));
      assert.deepEqual(await overflowing(used.page), [], "in use");
      await used.close();
    });
  }

  for (const colorScheme of ["light", "dark"]) {
    it(`has the contrast of WCAG AA in ${colorScheme}`, async () => {
      const live = await filled({ colorScheme, reducedMotion: "reduce" });
      await expandAll(live);
      await live.emit("dashboard", "ping", "{", { ack: true });
      await live.test("publish-event").fill("{");
      assert.deepEqual(await live.page.evaluate(lowContrast), []);
      await live.close();
    });
  }

  it("names every control, for people and for tests", async () => {
    const live = await filled();
    await live.in("tracker", "consumer-open").click();
    await live.in("tracker", "client-add").click();
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
    for (const name of PRESETS) await live.stateIs(name, /^Open$/);
    await focus("publish-event");
    const ring = await live.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(ring, "solid", "the focus is seen");
    await keyboard.press("Control+Enter");
    await live.receives("feed", 1);
    await live.close();
  });

  it("joins a room and emits by keyboard alone", async () => {
    const live = await Live.open(browser, gate.pageUrl);
    const { keyboard } = live.page;
    await live.in("tracker", "consumer-toggle").focus();
    await keyboard.press("Enter");
    await live.stateIs("tracker", /^Open$/);
    await keyboard.press("Shift+Tab");
    await keyboard.press("Space");
    const focus = async (testid) => {
      for (let presses = 0; presses < 30; presses += 1) {
        if ((await live.page.evaluate(() => document.activeElement?.dataset.testid)) === testid) return;
        await keyboard.press("Tab");
      }
      assert.fail(`${testid} is not reached by Tab`);
    };
    await focus("room-argument");
    await keyboard.press("Enter");
    await until("the room is shown", async () => /session:7/.test(await live.in("tracker", "rooms-asked").textContent()));
    await focus("emit-event");
    await keyboard.press("Control+A");
    await keyboard.type("ping");
    await focus("emit-arguments");
    await keyboard.press("Control+A");
    await keyboard.press("Delete");
    await keyboard.press("Enter");
    await live.hears("tracker", "pong");
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

  for (const { width, height, scale } of [{ width: 1280, height: 1240, scale: 1.5 }, { width: 390, height: 1500, scale: 2 }]) {
    for (const colorScheme of ["light", "dark"]) {
      it(`is photographed at ${width} px in ${colorScheme}, small enough for the README`, async () => {
        const live = await filled({ viewport: { width, height }, colorScheme, deviceScaleFactor: scale, reducedMotion: "reduce" });
        if (width > 500) await live.expand("dashboard");
        await live.choose("client_create");
        await live.publish();
        await until("the frame is marked", async () => /feed: frame after/.test(await live.test("publish-answer").textContent()));
        await live.page.evaluate(() => {
          document.activeElement.blur();
          scrollTo(0, 0);
        });
        await live.page.mouse.move(0, 0);
        const picture = reduced(await live.page.screenshot());
        await writeFile(join(photographs, `live-${width}-${colorScheme}.png`), picture);
        assert.ok(picture.length < 250_000, `${picture.length} bytes`);
        assert.deepEqual(await overflowing(live.page), []);
        await live.close();
      });
    }
  }
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
