// Packs both packages once, as `npm publish` would, for all files of this project.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { TestProject } from "vitest/node";

/** A package as it is published: the archive, a folder with its content, and its files. */
export interface Packed {
  readonly name: string;
  readonly archive: string;
  readonly folder: string;
  readonly files: readonly string[];
}

declare module "vitest" {
  export interface ProvidedContext {
    packed: { client: Packed; react: Packed };
  }
}

const workspace = fileURLToPath(new URL("../../../", import.meta.url));

interface Said {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { path: string }[];
}

export default function setup(project: TestProject): () => void {
  const base = mkdtempSync(join(tmpdir(), "channelgate-packed-"));
  const remove = (): void => rmSync(base, { recursive: true, force: true });
  process.once("exit", remove);
  const said = execFileSync("npm", ["pack", "--workspace", "core", "--workspace", "react", "--json", "--ignore-scripts", "--pack-destination", base], {
    cwd: workspace,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const all = (JSON.parse(said) as Said[]).map(({ name, filename, files }): Packed => {
    // Where an application finds it, so that each finds the other by its name.
    const folder = join(base, "node_modules", name);
    const archive = join(base, filename.replace("@", "").replace("/", "-"));
    mkdirSync(folder, { recursive: true });
    execFileSync("tar", ["-xzf", archive, "-C", folder, "--strip-components=1"]);
    return { name, archive, folder, files: files.map(({ path }) => path).sort() };
  });
  for (const peer of ["react", "react-dom", "socket.io-client"]) symlinkSync(join(workspace, "node_modules", peer), join(base, "node_modules", peer));
  const of = (name: string): Packed => {
    const found = all.find((each) => each.name === name);
    if (found === undefined) throw new Error(`npm pack made no ${name}`);
    return found;
  };
  project.provide("packed", { client: of("@channelgate/client"), react: of("@channelgate/react") });
  return remove;
}
