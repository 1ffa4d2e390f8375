// What is published: the files, their entry points as bundlers and type checkers see them, and what they may contain.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { describe, expect, inject, it } from "vitest";

const { client, react } = inject("packed");
const workspace = fileURLToPath(new URL("../../", import.meta.url));
const attw = join(dirname(createRequire(import.meta.url).resolve("@arethetypeswrong/cli/package.json")), "dist/index.js");

describe.each([
  { package: client, list: "client" },
  { package: react, list: "react" },
])("$package.name", ({ package: packed, list }) => {
  const { archive, folder, files } = packed;
  const text = (path: string): string => readFileSync(join(folder, path), "utf8");
  const manifest = JSON.parse(text("package.json")) as Record<string, unknown>;

  it("has the files of its list and no other", async () => {
    await expect(`${files.join("\n")}\n`).toMatchFileSnapshot(`contents/${list}.txt`);
  });

  it("has no finding of publint", async () => {
    const { messages } = await publint({ pkgDir: folder, strict: true, pack: false });
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });

  it("has types for every entry point, as are-the-types-wrong sees them", () => {
    const args = [attw, archive, "--profile", "esm-only", "--format", "ascii", "--no-emoji", "--no-color", "--exclude-entrypoints", "./styles.css"];
    const { status, stdout, stderr } = spawnSync("node", args, { encoding: "utf8", cwd: workspace });
    expect(stdout).toMatch(/node16 \(from ESM\): OK/);
    expect(status, stdout + stderr).toBe(0);
  });

  it("keeps \"use client\" first in each module that has it", () => {
    const modules = files.filter((path) => path.startsWith("src/") && /^['"]use client['"]/m.test(text(path)));
    expect(modules.length > 0).toBe(packed === react);
    const dist = modules.map((path) => path.replace(/^src/, "dist").replace(/\.tsx?$/, ".js"));
    expect(dist.filter((path) => !/^['"]use client['"];/.test(text(path)))).toEqual([]);
  });

  it("has maps that point to sources which are there", () => {
    const maps = files.filter((path) => path.endsWith(".js.map"));
    expect(maps.length).toBeGreaterThan(0);
    const missing = maps.flatMap((path) =>
      (JSON.parse(text(path)) as { sources: string[] }).sources.map((source) => join(dirname(path), source)).filter((source) => !files.includes(source)),
    );
    expect(missing).toEqual([]);
  });

  it("depends on nothing but the other package", () => {
    expect(manifest["dependencies"] ?? {}).toEqual(packed === react ? { "@channelgate/client": manifest["version"] } : {});
  });

  it("is loaded in Node without a page: no module touches what only browsers have", () => {
    const entries = Object.entries(manifest["exports"] as Record<string, { default?: string }>).flatMap(([name, { default: path }]) =>
      path?.endsWith(".js") ? [name.includes("*") ? files.filter((file) => matches(path, file)).map((file) => `./${file}`) : [path]].flat() : [],
    );
    expect(entries.length).toBeGreaterThan(1);
    // Each in one process: what it leaves open would keep the process from its end.
    const program = `for (const entry of ${JSON.stringify(entries.map((entry) => join(folder, entry)))}) await import(entry);`;
    execFileSync("node", ["--input-type=module", "--eval", program], { encoding: "utf8", timeout: 60_000, cwd: workspace });
  });
});

/** Whether a path of `exports` with a star stands for this file. */
function matches(pattern: string, file: string): boolean {
  const [before = "", after = ""] = pattern.replace("./", "").split("*");
  return file.startsWith(before) && file.endsWith(after);
}
