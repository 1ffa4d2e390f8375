// Makes the static file of the Django package of the core: `node core/scripts/static.mjs` in clients/ writes it.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const HEADER = `/**
 * A WebSocket to Channelgate (or to Daphne) that stays: it reconnects, and says when events may be missing.
 *
 *     import { connect } from "@channelgate/client";
 *     const client = connect("/ws/orders/7/");
 *     client.on("order.status", (event) => show(event.status));
 *     client.onMissed(() => reload());
 *
 * Generated from clients/core of the repository by clients/core/scripts/static.mjs: change it there.
 *
 * @module
 */
`;

export const FILE = fileURLToPath(new URL("../../django/src/channelgate/static/channelgate/client.js", import.meta.url));

/** The content of the file. */
export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("static.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    write: false,
    logLevel: "error",
  });
  // The names of the sources without the folder in which the bundler was started.
  const text = outputFiles[0].text.replaceAll(/^\/\/ .*?\b(src|scripts)\//gm, "// $1/");
  return `${HEADER}\n${text}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(FILE, await bundle());
