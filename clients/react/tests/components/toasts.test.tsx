// Toasts: their clock, how they are dismissed, and where the focus goes.

import "@channelgate/react/styles.css";

import { ChannelgateProvider } from "@channelgate/react";
import { Toasts, useToasts, type Toast, type Toaster } from "@channelgate/react/components";
import { useEffect } from "react";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { page, userEvent } from "vitest/browser";

import { frames, mount } from "../support.tsx";
import { fake } from "./fake.ts";
import { prefer } from "./page.ts";

beforeEach(async () => {
  await prefer({ "prefers-reduced-motion": "reduce" });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(() => prefer());

const taken = { renders: 0 } as Toaster & { renders: number };
function Take() {
  const toaster = useToasts();
  useEffect(() => {
    Object.assign(taken, toaster);
    taken.renders++;
  });
  return null;
}

async function region() {
  const { element } = mount(
    <ChannelgateProvider client={fake({ status: "idle" })}>
      <button>Before</button>
      <Take />
      <Toasts />
      <Toasts />
    </ChannelgateProvider>,
  );
  await frames();
  const titles = () => [...element.querySelectorAll("[data-cg=toast] [data-cg=title]")].map((title) => [title.previousElementSibling?.getAttribute("aria-label"), title.textContent].filter(Boolean).join(": "));
  return { element, titles };
}

async function show(...toasts: (Omit<Toast, "id"> & { id?: string })[]) {
  const ids = toasts.map((toast) => taken.show(toast));
  await frames();
  return ids;
}

async function pass(milliseconds: number) {
  await vi.advanceTimersByTimeAsync(milliseconds);
  await frames();
}

/** Real input is sent by the browser, outside of the page's time. */
async function really(input: () => Promise<unknown>) {
  vi.useRealTimers();
  await input();
  await frames();
}

it("leaves after its duration, which is at least 5 s", async () => {
  const { titles } = await region();
  await show({ title: "Short", duration: 100 }, { title: "Usual" }, { title: "Long", duration: 12_000 });
  await pass(4_900);
  expect(titles()).toEqual(["Short", "Usual", "Long"]);
  await pass(200);
  expect(titles()).toEqual(["Usual", "Long"]);
  await pass(1_000);
  expect(titles()).toEqual(["Long"]);
  await pass(6_000);
  expect(titles()).toEqual([]);
});

it("keeps errors, and what has no duration, until they are dismissed", async () => {
  const { titles } = await region();
  const [id = ""] = await show({ title: "Broken", kind: "error", duration: 5_000 }, { title: "Stays", duration: null });
  await pass(20_000);
  expect(titles()).toEqual(["Error: Broken", "Stays"]);
  taken.dismiss(id);
  await frames();
  expect(titles()).toEqual(["Stays"]);
});

it("stops the clock in a hidden tab", async () => {
  const { titles } = await region();
  await show({ title: "Saved" });
  await pass(3_000);
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  await pass(12_000);
  expect(titles()).toEqual(["Saved"]);
  hidden.mockRestore();
  await pass(2_500);
  expect(titles()).toEqual(["Saved"]);
  await pass(1_000);
  expect(titles()).toEqual([]);
});

it.each(["pointer", "focus"])("stops the clock of all while one has the %s", async (what) => {
  const { titles } = await region();
  const dismiss = page.getByRole("button", { name: "Dismiss: Saved" });
  const before = page.getByRole("button", { name: "Before" });
  const on = (target: typeof dismiss) => (what === "pointer" ? userEvent.hover(target) : Promise.resolve((target.element() as HTMLElement).focus()));
  await really(() => userEvent.hover(before));
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  await show({ title: "Saved" }, { title: "Sent" });
  await on(dismiss);
  await pass(12_000);
  expect(titles()).toEqual(["Saved", "Sent"]);
  await on(before);
  await pass(5_500);
  expect(titles()).toEqual(["Saved", "Sent"]);
  await pass(1_000);
  expect(titles()).toEqual([]);
});

it("is dismissed by its named button and by Escape, and the focus goes on to the next one", async () => {
  const { element, titles } = await region();
  await show({ title: "One" }, { title: "Two" }, { title: "Three" });
  await really(() => page.getByRole("button", { name: "Dismiss: Two" }).click());
  expect(titles()).toEqual(["One", "Three"]);
  expect(document.activeElement).toHaveAccessibleName("Dismiss: Three");
  await really(() => userEvent.keyboard("{Escape}"));
  expect(titles()).toEqual(["One"]);
  expect(document.activeElement).toHaveAccessibleName("Dismiss: One");
  await really(() => userEvent.keyboard("{Escape}"));
  expect(titles()).toEqual([]);
  expect(element.querySelector("[role=alert]")?.textContent).toBe("");
});

it("never takes the focus", async () => {
  const { element } = await region();
  const before = element.querySelector("button");
  before?.focus();
  const [id = ""] = await show({ title: "Saved" }, { title: "Broken", kind: "error" });
  expect(document.activeElement).toBe(before);
  taken.dismiss(id);
  await frames();
  await pass(12_000);
  expect(document.activeElement).toBe(before);
});

it("replaces a toast with the same id, with its clock", async () => {
  const { titles } = await region();
  await show({ id: "7", title: "John Doe", body: "Late" });
  await pass(5_000);
  await show({ id: "7", title: "John Doe", body: "Present" });
  await pass(5_000);
  expect(titles()).toEqual(["John Doe"]);
  expect(document.querySelector("[data-cg=toast] [data-cg=body]")?.textContent).toBe("Present");
});

it("shows five at most: the oldest goes, but an error stays", async () => {
  const { titles } = await region();
  await show({ title: "0", kind: "error" }, ...["1", "2", "3", "4", "5", "6"].map((title) => ({ title })));
  expect(titles()).toEqual(["Error: 0", "3", "4", "5", "6"]);
});

it("is shown once, however many regions there are, and renders no component that only shows toasts", async () => {
  const { element, titles } = await region();
  taken.renders = 0;
  await show({ title: "Saved" });
  expect(element.querySelectorAll("[data-cg=toasts]")).toHaveLength(1);
  expect(titles()).toEqual(["Saved"]);
  expect(taken.renders).toBe(0);
});
