// The files that are made of the schemas are current, and the schemas say all that a type has to say.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, expect, it } from "vitest";

import { clients } from "./program.js";

const folder = mkdtempSync(join(tmpdir(), "channelgate-schemas-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the generator of these clients. */
function generate(root: string, ...options: string[]): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [join(root, "schemas/generate.mjs"), ...options], { encoding: "utf8", timeout: 30_000 });
}

/** A copy in which one schema is another one. */
function changed(file: string, change: (text: string) => string): string {
  const root = mkdtempSync(join(folder, "clients-"));
  cpSync(join(clients, "schemas"), join(root, "schemas"), { recursive: true });
  const path = join(root, "schemas", file);
  const before = readFileSync(path, "utf8");
  const after = change(before);
  if (after === before) throw new Error(`${file} is not changed`);
  expect(generate(root).status).toBe(0);
  writeFileSync(path, after);
  return root;
}

it("has current types and a current manual", () => {
  expect(generate(clients, "--check")).toMatchObject({ status: 0, stderr: "" });
});

it("finds the types and the manual stale once a schema says something else", () => {
  const root = changed("feed/types.json", (text) => text.replaceAll("visit_count", "visits"));
  const { status, stderr } = generate(root, "--check");
  expect(status).toBe(1);
  expect(stderr).toContain(join("react", "src", "feed", "events.ts"));
  expect(stderr).toContain("events.md");
  expect(generate(root).status).toBe(0);
  expect(generate(root, "--check").status).toBe(0);
});

it.each([
  ["a keyword that no type could say", '"minItems": 2', '"minItems": 2, "contains": {}', "contains"],
  ["an object that does not say whether it has more fields", '"additionalProperties": false', '"title": "X"', "additionalProperties"],
  ["a type without a name", '"title": "UserJoined",', "", "needs a title"],
  ["a name that another type has", '"UserJoined"', '"UserLeft"', "UserLeft"],
])("refuses %s", (_, before, after, said) => {
  const root = changed("tracker/to-client/userJoined.json", (text) => text.replace(before, after));
  const { status, stderr } = generate(root);
  expect(status).not.toBe(0);
  expect(stderr).toContain(said);
});
