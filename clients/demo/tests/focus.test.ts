// The focus of a card that moves to another column: without a browser, elements are as much as is needed of them.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { keepFocus } from "../src/pages/workshop/focus";

class Element {
  readonly dataset: Record<string, string>;
  constructor(name: string) {
    this.dataset = { focus: name };
  }
  focus() {
    page.activeElement = this;
  }
}
let page: { activeElement: Element | null };

/** A card with a button for its name and one that moves it. */
function card() {
  const elements = ["open", "completed"].map((name) => new Element(name));
  return {
    elements,
    contains: (one: Element) => elements.includes(one),
    querySelector: (query: string) => elements.find(({ dataset }) => query === `[data-focus="${dataset["focus"]}"]`) ?? null,
  };
}
const mount = (one: ReturnType<typeof card>, id: number) => keepFocus(one as unknown as HTMLElement, id);

beforeEach(() => {
  page = { activeElement: null };
  vi.stubGlobal("document", page);
  vi.stubGlobal("HTMLElement", Element);
  vi.stubGlobal("HTMLInputElement", class {});
});
afterEach(() => vi.unstubAllGlobals());

test("of two cards that move in one commit, the one with the focus keeps it", () => {
  const [a, b] = [card(), card()];
  const goes = [mount(a, 1), mount(b, 2)];
  b.elements[1]!.focus();
  for (const go of goes) go();
  page.activeElement = null;
  const [first, second] = [card(), card()];
  mount(first, 1);
  mount(second, 2);
  expect(page.activeElement).toBe(second.elements[1]);
});

test("a card that was not moved takes no focus when it comes later", async () => {
  const gone = card();
  const go = mount(gone, 1);
  gone.elements[0]!.focus();
  go();
  page.activeElement = null;
  await Promise.resolve();
  mount(card(), 1);
  expect(page.activeElement).toBeNull();
});
