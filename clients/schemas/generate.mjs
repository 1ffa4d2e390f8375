// Writes what is made of the schemas: the types of the presets of @channelgate/react, and a page of the manual. With
// --check it writes nothing, and fails if a file is not what the schemas say.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { markdown } from "./markdown.mjs";
import { ROOT, readSystems } from "./read.mjs";
import { typescript } from "./typescript.mjs";

const CLIENTS = dirname(ROOT);

/** The generated files, with their contents. @returns {Map<string, string>} */
export function generated() {
  const systems = readSystems();
  const subpaths = [...new Set(systems.map(({ subpath }) => subpath))];
  const types = subpaths.map((subpath) => ({
    file: join(CLIENTS, "react", "src", subpath, "events.ts"),
    text: typescript(systems.filter((system) => system.subpath === subpath)),
  }));
  const manual = { file: join(dirname(CLIENTS), "docs", "clients", "events.md"), text: markdown(systems) };
  return new Map([...types, manual].map(({ file, text }) => [file, text]));
}

/** The files that are not what the schemas say. */
export function stale() {
  return [...generated()].filter(([file, text]) => !existsSync(file) || readFileSync(file, "utf8") !== text).map(([file]) => file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = stale();
  if (process.argv.includes("--check")) {
    for (const file of files) console.error(`${file} is not current: node clients/schemas/generate.mjs`);
    process.exitCode = files.length ? 1 : 0;
  } else {
    const texts = generated();
    for (const file of files) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, texts.get(file) ?? "");
      console.log(`wrote ${file}`);
    }
  }
}
