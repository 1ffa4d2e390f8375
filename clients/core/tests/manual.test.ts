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

it.each(["index", "dialect", "socketio"])("names all that %s.ts exports", (file) => {
  const source = read(`../src/${file}.ts`);
  const names = [
    ...[...source.matchAll(/^export \{ (.+) \} from/gm)].flatMap(([, list = ""]) => list.split(", ").filter((name) => !name.startsWith("type "))),
    ...[...source.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm)].map(([, name]) => name as string),
  ];
  expect(names.length).toBeGreaterThan(1);
  expect(names.filter((name) => !new RegExp(`(?:\`|import \\{[^}]*)\\b${name}\\b`).test(page))).toEqual([]);
});

it("gives the defaults of the code", () => {
  // They stand where they are used.
  const source = ["backoff", "heartbeat", "machine", "outbox"].map((name) => read(`../src/${name}.ts`)).join("\n");
  /** The numbers after a name, as a page writes them. */
  const after = (name: string): string => {
    const [, digits = ""] = new RegExp(`\\b${name} (?:=|\\?\\?) ([\\d_]+(?: \\* [\\d_]+)?)`).exec(source) ?? [];
    const factors = digits.replaceAll("_", "").split(" * ").map(Number);
    return factors.reduce((product, factor) => product * factor, 1).toLocaleString("en");
  };
  const rows = {
    "`backoff.base`, `.cap`": `${after("base")} ms, ${after("cap")} ms`,
    "`backoff.attempts`": source.includes("attempts = Infinity") ? "unlimited" : after("attempts"),
    "`heartbeat`": `${after("interval")} ms, ${after("timeout")} ms`,
    "`outbox.messages`, `.bytes`, `.age`": `${after("messages")}, ${after("bytes")}, ${after("age")} ms`,
    "`connectTimeout`": `${after("connectTimeout")} ms`,
    "`stableAfter`": `${after("stableAfter")} ms`,
    "`linger`": `${after("linger")} ms`,
  };
  for (const [option, value] of Object.entries(rows)) expect(page).toContain(`| ${option} | ${value} |`);
});
