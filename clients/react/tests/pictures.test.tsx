// Writes the pictures of docs/clients/components.md to tests/pictures. Only with VITE_PICTURES=1: they are committed.

import "@channelgate/react/styles.css";
import "./components/gallery.css";

import { page } from "vitest/browser";
import { expect, it } from "vitest";

import { Gallery } from "./components/gallery.tsx";
import { browser, prefer, width } from "./components/page.ts";
import { mount } from "./support.tsx";

/** A window in which a page of this size is not scaled down. */
const screen = async (pixels: number, height: number) => {
  await browser().send("Emulation.setDeviceMetricsOverride", { width: pixels, height, deviceScaleFactor: 1, mobile: false });
  await width(pixels, height);
};

it.runIf(import.meta.env["VITE_PICTURES"] !== undefined)("writes the pictures", { timeout: 60_000 }, async () => {
  for (const theme of ["light", "dark"]) {
    await prefer({ "prefers-color-scheme": theme, "prefers-reduced-motion": "reduce" });
    for (const pixels of [1280, 390]) {
      await screen(pixels, 2000);
      const { element, unmount } = mount(<Gallery />);
      await expect.poll(() => element.querySelector(".gallery")).not.toBeNull();
      await screen(pixels, Math.ceil(element.getBoundingClientRect().height));
      await page.screenshot({ path: `pictures/components-${pixels}-${theme}.png`, element });
      unmount();
    }
  }
});
