// The presets' events have the types that are generated from the schemas: what typed.ts uses compiles, and what it marks as wrong does not.

import { join } from "node:path";

import { expect, it } from "vitest";

import { clients, errorsOf, programOf } from "./program.js";

it("types the events of each preset by their schemas", () => {
  expect(errorsOf(programOf([join(clients, "tests/schemas/typed.ts")]))).toEqual([]);
});
