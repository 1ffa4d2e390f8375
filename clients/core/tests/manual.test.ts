// docs/clients/core.md names every option, method and piece of the state, and the defaults that the code has.

import { readFileSync } from "node:fs";

import { expect, it } from "vitest";

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
  // What the page says, and where the code has it.
  const rows = [
    ["`backoff.base`, `.cap`", "1,000 ms, 30,000 ms", "backoff.ts", "base = 1_000, cap = 30_000"],
    ["`backoff.attempts`", "unlimited", "machine.ts", "attempts = Infinity"],
    ["`backoff.giveUp`", "`false`", "machine.ts", "giveUp } ="],
    ["`heartbeat`", "25,000 ms, 10,000 ms", "heartbeat.ts", "interval ?? 25_000", "timeout ?? 10_000"],
    ["`outbox.messages`, `.bytes`, `.age`", "100, 262,144, 30,000 ms", "outbox.ts", "messages = 100, bytes = 256 * 1024, age = 30_000"],
    ["`connectTimeout`", "20,000 ms", "machine.ts", "connectTimeout ?? 20_000"],
    ["`stableAfter`", "5,000 ms", "machine.ts", "stableAfter ?? 5_000"],
    ["`linger`", "0 ms", "machine.ts", "linger ?? 0"],
  ] as const;
  for (const [option, value, file, ...codes] of rows) {
    expect(page).toContain(`| ${option} | ${value} |`);
    for (const code of codes) expect(read(`../src/${file}`)).toContain(code);
  }
});
