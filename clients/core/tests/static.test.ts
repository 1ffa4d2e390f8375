// The static file of the Django package is what the core makes of it now.

import { readFile } from "node:fs/promises";

import { expect, it } from "vitest";

// @ts-expect-error -- a script without types
import { bundle, FILE } from "../scripts/static.mjs";

it("is the core of now: else run `node core/scripts/static.mjs` in clients/", async () => {
  const made = (await (bundle as () => Promise<string>)()) === (await readFile(FILE as string, "utf8"));
  expect(made).toBe(true);
});
