// What styles.css promises: themes by custom properties, forced colours, no motion where it is not wanted, targets, and both
// directions of writing. And that no word is written outside of the labels.

import "@channelgate/react/styles.css";
import "./gallery.css";

import { en, type Labels } from "@channelgate/react/labels/en";
import { ar } from "@channelgate/react/labels/ar";
import { de } from "@channelgate/react/labels/de";
import { es } from "@channelgate/react/labels/es";
import { pl } from "@channelgate/react/labels/pl";
import { ChannelgateProvider } from "@channelgate/react";
import { Badge, ConnectionStatus, MissedBanner, NotificationList, Toasts } from "@channelgate/react/components";
import { boardOf } from "../../src/components/store.ts";
import { afterAll, afterEach, expect, it } from "vitest";

import { mount } from "../support.tsx";
import { fake } from "./fake.ts";
import { Gallery, type GalleryProps, states } from "./gallery.tsx";
import { browser, prefer, width } from "./page.ts";

afterEach(() => prefer());
afterAll(() => browser().send("Emulation.setTouchEmulationEnabled", { enabled: false }));

async function gallery(props: GalleryProps = {}) {
  const { element } = mount(<Gallery {...props} />);
  await expect.poll(() => element.querySelectorAll("[data-cg=toast]")).toHaveLength(4);
  return element;
}

const one = (element: ParentNode, selector: string): HTMLElement => {
  const found = element.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`${selector} is not there.`);
  return found;
};

it("moves only where motion is wanted", async () => {
  const moving = () => document.getAnimations().length;
  await prefer({ "prefers-reduced-motion": "no-preference" });
  const element = await gallery();
  await expect.poll(moving).toBeGreaterThan(0);
  await prefer({ "prefers-reduced-motion": "reduce" });
  await expect.poll(moving).toBe(0);
  const moves = [...element.querySelectorAll("*")].filter((each) => {
    const { animationName, transitionDuration } = getComputedStyle(each);
    return animationName !== "none" || transitionDuration !== "0s";
  });
  expect(moves).toEqual([]);
});

it("keeps the shape of each state with forced colours", async () => {
  await prefer({ "forced-colors": "active" });
  const element = await gallery();
  const probe = document.createElement("i");
  probe.style.cssText = "color: CanvasText; background-color: Canvas; forced-color-adjust: none";
  element.append(probe);
  const { color: text, backgroundColor: canvas } = getComputedStyle(probe);
  expect(text).not.toBe(canvas);
  const invisible = [...element.querySelectorAll("[data-cg=icon],[data-cg=unread],[data-cg=badge] > [data-cg=text]")].filter((mark) => {
    const { backgroundColor, borderTopWidth, borderTopColor } = getComputedStyle(mark);
    return backgroundColor !== text && !(borderTopWidth === "2px" && borderTopColor === text);
  });
  expect(invisible.map(({ outerHTML, parentElement }) => outerHTML + (parentElement?.outerHTML ?? ""))).toEqual([]);
  expect(getComputedStyle(one(element, "[data-cg=count]")).borderTopColor).toBe(text);
});

it("gives every state a shape of its own", async () => {
  const shapes = new Map<string, string[]>();
  for (const [status, some] of Object.entries(states(Date.now()))) {
    const { element } = mount(<ConnectionStatus of={fake(some)} />);
    await expect.poll(() => element.querySelector("[data-cg=icon]")).not.toBeNull();
    const { clipPath, borderTopWidth, borderTopLeftRadius, backgroundImage, width: size } = getComputedStyle(one(element, "[data-cg=icon]"));
    const shape = [clipPath, borderTopWidth, borderTopLeftRadius, backgroundImage.slice(0, 6), size].join(" ");
    shapes.set(shape, [...(shapes.get(shape) ?? []), status]);
  }
  expect([...shapes.values()]).toEqual([["idle", "offline", "closed"], ["connecting", "reconnecting"], ["open"], ["unauthorized"], ["failed"]]);
});

it.each([
  ["fine", 24],
  ["coarse", 44],
])("has targets of a size for a %s pointer", async (pointer, size) => {
  await browser().send("Emulation.setTouchEmulationEnabled", { enabled: pointer === "coarse" });
  await expect.poll(() => matchMedia("(pointer: coarse)").matches).toBe(pointer === "coarse");
  await width(390, 1400);
  const element = await gallery();
  // A toast that comes is moved by parts of a pixel, which its size shows, too.
  for (const animation of element.getAnimations({ subtree: true })) if (animation.effect?.getComputedTiming().iterations !== Infinity) animation.finish();
  const small = [...element.querySelectorAll("button")].filter((button) => {
    const { width: across, height } = button.getBoundingClientRect();
    return across < size || height < size;
  });
  expect(small.map(({ outerHTML }) => outerHTML)).toEqual([]);
});

it("follows custom properties of any ancestor, and the page's color-scheme", async () => {
  const { element } = mount(
    <div style={{ "--cg-accent": "rgb(1, 2, 3)", "--cg-on-accent": "white", "--cg-radius": "3px", "--cg-font": "serif" } as React.CSSProperties}>
      <Badge count={1} />
      <NotificationList items={[]} />
    </div>,
  );
  await expect.poll(() => element.querySelector("[data-cg=list]")).not.toBeNull();
  expect(getComputedStyle(one(element, "[data-cg=count]")).backgroundColor).toBe("rgb(1, 2, 3)");
  expect(getComputedStyle(one(element, "[data-cg=list]")).borderRadius).toBe("3px");
  expect(getComputedStyle(one(element, "[data-cg=list]")).fontFamily).toBe("serif");
  const surface = () => getComputedStyle(one(element, "[data-cg=list]")).backgroundColor;
  element.style.colorScheme = "light";
  expect(surface()).toBe("rgb(255, 255, 255)");
  element.style.colorScheme = "dark";
  expect(surface()).toBe("rgb(22, 29, 38)");
});

it("does not scroll sideways at 360 px, in any language", async () => {
  await width(360, 1400);
  for (const labels of [en, de, es, pl, ar]) {
    const element = await gallery({ labels });
    expect(document.documentElement.scrollWidth, labels.locale).toBe(360);
    const wide = [...element.querySelectorAll("[data-cg]:not([data-cg=announcer] *, [data-cg=announcer])")].filter((part) => {
      const { left, right } = part.getBoundingClientRect();
      return left < 0 || right > 360;
    });
    expect(wide.map(({ outerHTML }) => outerHTML), labels.locale).toEqual([]);
    element.remove();
  }
});

it("is mirrored with labels that are written from right to left, on any page", async () => {
  await width(1280, 1400);
  const client = fake({ recovery: "missed", missed: { reason: "gap", groups: null, since: Date.now(), until: Date.now() } });
  boardOf(client).set({ toasts: [{ id: "1", title: "ثلاثة", left: Infinity }] });
  const { element } = mount(
    <ChannelgateProvider client={client} labels={ar}>
      <ConnectionStatus />
      <MissedBanner />
      <Badge count={3} />
      <NotificationList items={[{ id: 1, title: "حجز جديد", at: Date.now() }]} />
      <Toasts />
    </ChannelgateProvider>,
  );
  await expect.poll(() => element.querySelector("[data-cg=toast]")).not.toBeNull();
  expect([...element.querySelectorAll("[lang]")].map((root) => `${root.getAttribute("data-cg") ?? ""} ${root.getAttribute("lang") ?? ""} ${root.getAttribute("dir") ?? ""}`)).toEqual(
    ["status", "missed", "badge", "list", "announcer", "toasts"].map((part) => `${part} ar rtl`),
  );
  const x = (selector: string) => one(element, selector).getBoundingClientRect();
  expect(x("[data-cg=state] > [data-cg=icon]").left).toBeGreaterThan(x("[data-cg=state] > [data-cg=text]").left);
  expect(x("[data-cg=missed] > [data-cg=button]").right).toBeLessThan(x("[data-cg=missed] > [data-cg=text]").left);
  expect(x("[data-cg=item] > [data-cg=time]").right).toBeLessThan(x("[data-cg=item] > [data-cg=title]").right);
  expect(x("[data-cg=toasts]").left).toBe(16);
  expect(x("[data-cg=dismiss]").right).toBeLessThan(x("[data-cg=toast] > [data-cg=title]").left);
});

it("writes no word outside of the labels", async () => {
  const marked = mark(en) as Labels;
  const element = await gallery({ labels: { ...marked, locale: "en", dir: "ltr" } });
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const unmarked: string[] = [];
  while (walker.nextNode()) {
    const { textContent, parentElement } = walker.currentNode;
    const isData = parentElement?.closest("h1,h2,[data-cg=item],[data-cg=toast] > p");
    if (!isData && /\p{L}/u.test(textContent ?? "") && !/^⟦.*⟧$/u.test(textContent ?? "")) unmarked.push(textContent ?? "");
  }
  for (const labelled of element.querySelectorAll("[data-cg][aria-label]")) {
    const label = labelled.getAttribute("aria-label") ?? "";
    if (!/^⟦.*⟧$/u.test(label)) unmarked.push(label);
  }
  // The application's own: a node's name, a heading, and a term of the gallery.
  expect([...new Set(unmarked)].sort()).toEqual(["Archive", en.latency, "node-2"]);
});

/** The same labels with every text in brackets. */
function mark(value: unknown): unknown {
  if (typeof value === "string") return `⟦${value}⟧`;
  if (typeof value === "function") return (...given: unknown[]) => mark((value as (...all: unknown[]) => unknown)(...given));
  return Object.fromEntries(Object.entries(value as object).map(([key, each]) => [key, mark(each)]));
}

it("has the plural forms of each language", () => {
  expect([1, 2, 5, 22, 1_234].map(pl.unreadCount)).toEqual([
    "Powiadomienia, 1 nieprzeczytane",
    "Powiadomienia, 2 nieprzeczytane",
    "Powiadomienia, 5 nieprzeczytanych",
    "Powiadomienia, 22 nieprzeczytane",
    "Powiadomienia, 1234 nieprzeczytane",
  ]);
  expect([1, 2, 3, 11].map(ar.newUpdates).map((text) => text.replace(/\d+|[٠-٩]+/u, "#"))).toEqual(["تحديث جديد واحد", "تحديثان جديدان", "# تحديثات جديدة", "# تحديثًا جديدًا"]);
  expect([1, 12_000].map(de.newUpdates)).toEqual(["1 neue Aktualisierung", "12.000 neue Aktualisierungen"]);
  expect([1, 2].map(es.newWorkOrders)).toEqual(["1 orden de trabajo actualizada", "2 órdenes de trabajo actualizadas"]);
  expect([1, 4].map(en.newAttendance)).toEqual(["1 new attendance update", "4 new attendance updates"]);
});

it("has every label in every language", () => {
  const keys = (labels: Labels) => [...Object.keys(labels), ...Object.keys(labels.status)].sort();
  for (const labels of [de, es, pl, ar]) {
    expect(keys(labels), labels.locale).toEqual(keys(en));
    const same = (Object.keys(en) as (keyof Labels)[]).filter((key) => typeof labels[key] === "string" && labels[key] === en[key]) as string[];
    expect(same.filter((key) => !["dir", "total", "error"].includes(key)), labels.locale).toEqual([]);
  }
});
