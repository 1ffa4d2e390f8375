// Every component in every state by axe-core: light and dark, wide and narrow, from right to left, with and without styles.

import "@channelgate/react/styles.css";
import "./gallery.css";

import { ar } from "@channelgate/react/labels/ar";
import axe from "axe-core";
import { afterAll, expect, it } from "vitest";

import { mount } from "../support.tsx";
import { Gallery, type GalleryProps } from "./gallery.tsx";
import { prefer, width } from "./page.ts";

const cases: [name: string, pixels: number, theme: string, props: GalleryProps][] = [
  ["light, 1280 px", 1280, "light", {}],
  ["dark, 1280 px", 1280, "dark", {}],
  ["light, 390 px", 390, "light", {}],
  ["dark, 390 px", 390, "dark", {}],
  ["right to left", 1280, "light", { labels: ar }],
  ["without styles", 1280, "light", { unstyled: true }],
];

afterAll(() => prefer());

it.each(cases)("has no violation: %s", async (_name, pixels, theme, props) => {
  await prefer({ "prefers-color-scheme": theme, "prefers-reduced-motion": "reduce" });
  await width(pixels, 1400);
  const { element } = mount(<Gallery {...props} />);
  await expect.poll(() => element.querySelectorAll("[data-cg=toast]").length).toBe(4);
  const { violations, passes } = await axe.run(element, { rules: { "target-size": { enabled: true }, "color-contrast": { enabled: true } } });
  expect(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => `${html} ${failureSummary ?? ""}`)])).toEqual([]);
  expect(passes.map(({ id }) => id)).toEqual(expect.arrayContaining(["color-contrast", "target-size", "button-name", "list", "definition-list"]));
});
