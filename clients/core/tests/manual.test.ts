// docs/clients/core.md names every option, method and piece of the state, and the defaults that the code has.

import { readFileSync } from "node:fs";

import { expect, it } from "vitest";

import { configure } from "../src/client.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const page = read("../../../docs/clients/core.md");

/** The names that an interface of types.ts declares. */
function namesOf(name: string): string[] {
  const [, body = ""] = new RegExp(`export interface ${name}\\b[^{]*\\{\\n(.*?)\\n\\}`, "s").exec(read("../src/types.ts")) ?? [];
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?<(:]/gm)].map(([, found]) => found as string);
}

it.each([
  ["Options", 12],
  ["Snapshot", 12],
  ["Client", 12],
] as const)("names all of %s", (name, atLeast) => {
  const names = namesOf(name);
  expect(names.length).toBeGreaterThanOrEqual(atLeast);
  expect(names.filter((one) => !new RegExp(`\`${one}[\`.(]`).test(page))).toEqual([]);
});

it("gives the defaults of the code", () => {
  const { backoff, heartbeat, outbox, connectTimeout, stableAfter, linger } = configure({});
  const ms = (value: number) => `${value.toLocaleString("en")} ms`;
  const rows = {
    "`backoff.base`, `.cap`": `${ms(backoff.base)}, ${ms(backoff.cap)}`,
    "`backoff.attempts`": backoff.attempts === Infinity ? "unlimited" : `${backoff.attempts}`,
    "`backoff.giveUp`": `\`${backoff.giveUp ?? false}\``,
    "`heartbeat`": `${ms(heartbeat.interval)}, ${ms(heartbeat.timeout)}`,
    "`outbox.messages`, `.bytes`, `.age`": `${outbox.messages}, ${outbox.bytes.toLocaleString("en")}, ${ms(outbox.age)}`,
    "`connectTimeout`": ms(connectTimeout),
    "`stableAfter`": ms(stableAfter),
    "`linger`": ms(linger),
  };
  for (const [option, value] of Object.entries(rows)) expect(page).toContain(`| ${option} | ${value} |`);
});
