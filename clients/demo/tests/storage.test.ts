// What the browser keeps for the page, where it does, and where it blocks that.

import { afterEach, expect, test, vi } from "vitest";

import { keep, kept } from "../src/ui/storage";

afterEach(() => vi.unstubAllGlobals());

test("a value is kept", () => {
  const values = new Map<string, string>();
  vi.stubGlobal("localStorage", { getItem: (key: string) => values.get(key) ?? null, setItem: (key: string, value: string) => values.set(key, value) });
  expect(kept("localStorage", "hint")).toBeNull();
  keep("localStorage", "hint", "seen");
  expect(kept("localStorage", "hint")).toBe("seen");
});

test("a browser that blocks storage has none, and the page goes on", () => {
  Object.defineProperty(globalThis, "sessionStorage", {
    configurable: true,
    get: () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  });
  expect(kept("sessionStorage", "person")).toBeNull();
  expect(() => keep("sessionStorage", "person", "tom")).not.toThrow();
  Reflect.deleteProperty(globalThis, "sessionStorage");
});
