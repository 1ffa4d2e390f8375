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
const WINDOWS = [
  { width: 1280, height: 800, deviceScaleFactor: 1.5 },
  { width: 390, height: 844, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
];

describe("the look of the demonstration", () => {
  let system;
  let browser;

  before(async () => {
    system = await System.start({ activity: true, speed: 3 });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await system?.stop();
  });

  for (const { width, height, ...window } of WINDOWS) {
    for (const colorScheme of ["light", "dark"]) {
      it(`${width} px, ${colorScheme}: no violation of axe, no sideways scroll, nothing that jumps, and a picture`, async () => {
        const demo = await Demo.open(browser, system, "visitors", { as: "tia", viewport: { width, height }, colorScheme, ...window });
        await demo.isLive();
        for (const route of SYSTEMS) {
          await demo.goTo(route);
          const before = await demo.came(route);
          await until("something happens", async () => (await demo.came(route)) > before, 60_000);
          await demo.page.mouse.move(0, 0);
          const picture = await demo.page.screenshot();
          if (kept && SHOWN.includes(route)) await writeFile(join(kept, `demo-${route}-${width}-${colorScheme}.png`), reduced(picture));
          assert.deepEqual(await overflowing(demo.page), [], route);
          assert.deepEqual(await demo.violations(), [], route);
          const { sum, shifts } = await demo.shifts();
          assert.ok(sum < MAX_SHIFT, `${route}: ${JSON.stringify(shifts)}`);
        }
        await demo.close();
        assert.deepEqual(demo.problems, [], "the browser complained");
      });
    }
  }

  it("fits the narrowest phone", async () => {
    const demo = await Demo.open(browser, system, "visitors", { viewport: { width: 320, height: 640 } });
    await demo.isLive();
    for (const route of SYSTEMS) {
      await demo.goTo(route);
      const before = await demo.came(route);
      await until("something happens", async () => (await demo.came(route)) > before, 60_000);
      assert.deepEqual(await overflowing(demo.page), [], route);
    }
    await demo.close();
  });

  it("shows the menu of Break it above the notifications of the workshop", async () => {
    const demo = await Demo.open(browser, system, "workshop", { as: "tia" });
    await demo.isLive();
    await demo.test("break-it").click();
    await demo.test("break-burst").waitFor();
    await until("a notification is below the menu", () =>
      demo.page.evaluate(() => {
        const panel = document.querySelector(".popover-panel");
        const boxes = [...document.querySelectorAll(".cg-toasts .cg-items > *")].map((toast) => toast.getBoundingClientRect());
        const { left, right, top, bottom } = panel.getBoundingClientRect();
        const places = boxes.map((box) => [box.left + box.width / 2, box.top + box.height / 2]).filter(([x, y]) => x > left && x < right && y > top && y < bottom);
        return places.length > 0 && places.every(([x, y]) => panel.contains(document.elementFromPoint(x, y)));
      }), 60_000);
    await demo.close();
  });

  it("points to Break it at the first visit, until that is read", async () => {
    const demo = await Demo.open(browser, system);
    await demo.page.evaluate(() => window.localStorage.removeItem("hint"));
    const fresh = await demo.context.newPage();
    await fresh.goto(`${system.url}/`);
    await fresh.getByRole("button", { name: "Got it" }).click();
    await fresh.reload();
    await fresh.getByTestId("river").waitFor();
    assert.equal(await fresh.getByRole("button", { name: "Got it" }).count(), 0);
    await demo.close();
  });

  it("does not move where motion is not wanted", async () => {
    const demo = await Demo.open(browser, system, "visitors", { reducedMotion: "reduce" });
    await demo.isLive();
    await until("something happens", async () => (await demo.number("shown")) > 3, 60_000);
    assert.equal(await demo.page.evaluate(() => document.getAnimations().length), 0);
    await demo.close();
  });
});
