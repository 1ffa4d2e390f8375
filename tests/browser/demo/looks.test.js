// How the demonstration looks: light and dark, wide and narrow, for screen readers, and for the README.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Demo, SYSTEMS, System } from "../support/demo.js";
import { launch, overflowing } from "../support/live.js";
import { reduced } from "../support/png.js";
import { until } from "../support/until.js";

/** With SCREENSHOTS=1 the pictures become those of the documents. */
const kept = process.env.SCREENSHOTS === "1" && fileURLToPath(new URL("../../../docs/images/", import.meta.url));
/** Those that a document shows. */
const SHOWN = ["visitors", "workshop"];
/** The sum over a walk through all pages. */
const MAX_SHIFT = 0.05;
const SCHEMES = ["light", "dark"];
/** Pictures of more pixels than those of the window take long to draw. */
const fine = (factor) => (kept ? { deviceScaleFactor: factor } : {});
const WIDE = { viewport: { width: 1280, height: 800 }, ...fine(1.5) };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, ...fine(2) };
const NARROWEST = { width: 320, height: 640 };

/** Waits until something has happened on the page. */
async function happens(demo, route) {
  const before = await demo.came(route);
  await until("something happens", async () => (await demo.came(route)) > before, 60_000);
}

async function photograph(demo, route) {
  await demo.page.mouse.move(0, 0);
  for (const colorScheme of SCHEMES) {
    await demo.page.emulateMedia({ colorScheme });
    await happens(demo, route);
    const { width } = demo.page.viewportSize();
    await writeFile(join(kept, `demo-${route}-${width}-${colorScheme}.png`), reduced(await demo.page.screenshot()));
  }
}

describe("the look of the demonstration", () => {
  let system;
  let browser;

  before(async () => {
    browser = await launch();
    system = await System.start({ activity: true, speed: 3 });
  });
  after(async () => {
    try {
      await browser?.close();
    } finally {
      await system?.stop();
    }
  });

  async function walk(demo) {
    for (const route of SYSTEMS) {
      await demo.goTo(route);
      await happens(demo, route);
      if (kept && SHOWN.includes(route)) await photograph(demo, route);
      assert.deepEqual(await overflowing(demo.page), [], route);
      const shifts = await demo.seen("shifts");
      assert.ok(shifts.reduce((sum, { value }) => sum + value, 0) < MAX_SHIFT, `${route}: ${JSON.stringify(shifts)}`);
      const shown = await demo.number("shown");
      for (const colorScheme of SCHEMES) {
        await demo.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        assert.deepEqual(await demo.violations(), [], `${route}, ${colorScheme}`);
      }
      // Something has come meanwhile, for this page or another: each moves the rail.
      await until("an event is shown", async () => (await demo.number("shown")) > shown, 60_000);
      assert.deepEqual(await demo.seen("moved"), [], `${route} moves though that is not wanted`);
      await demo.page.emulateMedia({ colorScheme: null, reducedMotion: null });
    }
  }

  it("wide: no violation of axe in light or dark, no sideways scroll, no shift, no motion unless wanted", async () => {
    const demo = await Demo.open(browser, system, "visitors", { as: "tia", ...WIDE });
    await demo.isLive();
    await walk(demo);
    await demo.close();
    assert.deepEqual(demo.problems, [], "the browser complained");
  });

  it("on a phone: the same, and the page fits the narrowest one", async () => {
    const demo = await Demo.open(browser, system, "visitors", { as: "tia", ...PHONE });
    await demo.isLive();
    await walk(demo);
    await demo.page.setViewportSize(NARROWEST);
    for (const route of SYSTEMS) {
      await demo.goTo(route);
      assert.deepEqual(await overflowing(demo.page), [], route);
    }
    await demo.close();
    assert.deepEqual(demo.problems, [], "the browser complained");
  });

  it("points to Break it at the first visit, until that is read, and shows its menu above notifications", async () => {
    const demo = await Demo.open(browser, system, "workshop", { as: "tia", isFirst: true });
    const hint = demo.page.locator(".hint");
    await hint.getByRole("button").click();
    await hint.waitFor({ state: "detached" });
    await demo.page.reload();
    await demo.shows("workshop");
    await demo.isLive();
    assert.equal(await hint.count(), 0);
    await demo.test("break-it").click();
    await demo.test("break-burst").waitFor();
    await until("a notification is below the menu", () =>
      demo.page.evaluate(() => {
        const panel = document.querySelector(".popover-panel");
        const toasts = [...document.querySelectorAll(".cg-toasts .cg-items > *")];
        const boxes = toasts.map((toast) => toast.getBoundingClientRect());
        const { left, right, top, bottom } = panel.getBoundingClientRect();
        const places = boxes
          .map((box) => [box.left + box.width / 2, box.top + box.height / 2])
          .filter(([x, y]) => x > left && x < right && y > top && y < bottom);
        return places.length > 0 && places.every(([x, y]) => panel.contains(document.elementFromPoint(x, y)));
      }), 60_000);
    await demo.close();
  });
});
