// Type-checks every ```ts and ```tsx block of docs/clients and of the READMEs against the packages.
//
// A block is a module of its own, without what other blocks have. A comment before it, `<!-- given: declare const id: number; -->`,
// declares what the reader has: it is checked, and not shown.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, expect, it } from "vitest";

const clients = fileURLToPath(new URL("../../", import.meta.url));
const manual = join(clients, "../docs/clients");
const tsc = join(clients, "node_modules/@typescript/native/bin/tsc");
// Inside of the workspace, so that the packages are found by their names.
const folder = mkdtempSync(join(clients, "tests/documents/.snippets-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Snippet {
  readonly name: string;
  readonly text: string;
}

/** The blocks of a page; each keeps its line numbers. */
function snippetsOf(page: string, markdown: string): Snippet[] {
  const blocks = markdown.matchAll(/(?:<!-- given: ([^]*?)-->\s*)?^```(tsx?)[^\n]*\n([^]*?)^```/gm);
  return [...blocks].map((match, index) => {
    const [all, given = "", language = "ts", code = ""] = match;
    const line = markdown.slice(0, match.index + all.lastIndexOf(code)).split("\n").length;
    const before = `${given.replaceAll(/\s+/g, " ")} export {};`;
    return { name: `${page}-${index + 1}.${language}`, text: `${before}${"\n".repeat(line - 1)}${code}` };
  });
}

/** Type-checks snippets; one line for each error: page-number.tsx(line,column): what. */
function errorsOf(snippets: readonly Snippet[]): string[] {
  const own = mkdtempSync(join(folder, "check-"));
  const config = { extends: "../../../tsconfig.json", compilerOptions: { noUnusedLocals: false, noUnusedParameters: false }, include: [".", "../../given.d.ts", "../../../../core/tests/ws.d.ts"] };
  writeFileSync(join(own, "tsconfig.json"), JSON.stringify(config));
  for (const { name, text } of snippets) {
    mkdirSync(dirname(join(own, name)), { recursive: true });
    writeFileSync(join(own, name), text);
  }
  const { status, stdout, stderr } = spawnSync("node", [tsc, "--project", own, "--pretty", "false"], { cwd: own, encoding: "utf8", timeout: 60_000 });
  const lines = stdout.split("\n").filter((line) => line !== "");
  if (status !== 0 && lines.length === 0) throw new Error(`tsc ended with ${status}: ${stderr}`);
  return lines;
}

it("finds mistakes in snippets, at the line of the page", () => {
  const markdown = "# A page\n\n<!-- given: declare const id: number; -->\n```tsx\nconst text: string = id;\n```\n";
  const [snippet] = snippetsOf("a", markdown);
  expect(errorsOf([snippet as Snippet])).toEqual(["a-1.tsx(5,7): error TS2322: Type 'number' is not assignable to type 'string'."]);
});

it("every snippet of docs/clients and of the READMEs type-checks", () => {
  const pages = new Map(["..", "core", "react"].map((name) => [`${name.replace("..", "front")}/README.md`, join(clients, name, "README.md")]));
  for (const path of readdirSync(manual, { recursive: true, encoding: "utf8" }).sort()) {
    if (path.endsWith(".md")) pages.set(path, join(manual, path));
  }
  const snippets = [...pages].flatMap(([page, path]) => snippetsOf(page, readFileSync(path, "utf8")));
  expect(snippets.length).toBeGreaterThan(pages.size);
  expect(errorsOf(snippets)).toEqual([]);
}, 60_000);

it("the snippet of README.md is the one that is tried with a real node", () => {
  const [, shown] = /^```tsx\n([^]*?)^```/m.exec(readFileSync(join(clients, "../README.md"), "utf8")) ?? [];
  const tried = readFileSync(join(clients, "tests/snippets/readme/app.tsx"), "utf8");
  expect(tried.split("\n").slice(1).join("\n")).toBe(shown);
});
