// How much a page loads: every part minified by esbuild and compressed by gzip, without React and socket.io-client.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";
import { afterAll, describe, expect, inject, it } from "vitest";

const { client, react } = inject("packed");
/** Where both packages are installed as in an application. */
const application = dirname(dirname(dirname(client.folder)));
const external = ["react", "react-dom", "react/jsx-runtime", "socket.io-client"];

interface Bundle {
  readonly size: number;
  readonly text: string;
  readonly modules: readonly string[];
}

const bundles = new Map<string, Promise<Bundle>>();

function bundle(...entries: readonly string[]): Promise<Bundle> {
  const name = entries.join(" ");
  const made = bundles.get(name) ?? make(entries);
  bundles.set(name, made);
  return made;
}

async function make(entries: readonly string[]): Promise<Bundle> {
  const contents = entries.map((entry, number) => (entry.startsWith("export") ? entry : `export * as all${number} from ${JSON.stringify(entry)};`)).join("\n");
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents, resolveDir: application },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"production"' },
    external,
    logLevel: "silent",
  });
  // esbuild does not know the directive's meaning, and says so; it changes nothing for a page.
  expect(warnings.filter(({ id }) => id !== "unsupported-directive").map(({ text }) => text)).toEqual([]);
  const text = outputFiles[0]?.text ?? "";
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  return { size: gzipSync(text, { level: 9 }).length, text, modules: used.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path) };
}

const CLIENT = "@channelgate/client";
const REACT = "@channelgate/react";
const SOCKETIO = "@channelgate/client/socketio";
const COMPONENTS = "@channelgate/react/components";
/** What a preset may use, so that only its own is counted. */
const COMMON = [REACT, SOCKETIO, COMPONENTS];

/** All that `@channelgate/react` exports but the live list: bundlers leave it away where it is not used. */
const names = [...readFileSync(join(react.folder, "dist/index.js"), "utf8").matchAll(/export \{([^}]*)\}/g)].flatMap(([, list = ""]) => list.split(",").map((name) => name.trim()));
const HOOKS = `export { ${names.filter((name) => name !== "useLiveList").join(", ")} } from "${REACT}";`;

/** What a page needs to connect: bundlers leave `wsToken` away where it is not used. */
const CORE = `export { createClient, Disconnected, TimedOut, typed, Unauthorized, webSocket } from "${CLIENT}";`;

/** The hooks of each preset, and the limit of all that it exports. */
const PRESETS: Record<string, readonly [hooks: string, whole: number]> = {
  dashboard: ["WebSocketProvider, useWebSocket, useRealTimeAttendance", 2.0],
  tracker: ["configure, socketService, useSocket", 1.5],
  feed: ["configure, useFeed, useFeedEvent, useClients, useEmployees", 1.5],
  "repair-shop": ["WebSocketProvider, useWebSocket, useRealTimeWorkOrder", 1.5],
  parking: ["configure, useWebSocket, useNotifications", 1.5],
};

/** Name, what is measured, what is taken off, and the limit in KB (1024 bytes). */
const budgets: readonly [name: string, entries: readonly string[], without: readonly string[], limit: number][] = [
  ["core", [CORE], [], 5.0],
  ["wsToken", [`export * from "${CLIENT}";`], [CORE], 0.3],
  ["provider, hooks and core", [HOOKS], [], 7.5],
  ["useLiveList", [REACT], [HOOKS], 1.5],
  ["components", [REACT, COMPONENTS], [REACT], 3.0],
  ["Socket.IO transport", [CLIENT, SOCKETIO], [CLIENT], 1.5],
  // The dashboard has two servers, each with a dialect, and the most components: all of it is above 1.5 KB, its hooks are not.
  ...Object.entries(PRESETS).flatMap(([name, [hooks, whole]]): [string, string[], string[], number][] => [
    [name, [...COMMON, `export { ${hooks} } from "${REACT}/${name}";`], COMMON, 1.5],
    [`${name}, all`, [...COMMON, `${REACT}/${name}`], COMMON, whole],
  ]),
];

describe("budgets", () => {
  const table: string[] = [];
  afterAll(() => void console.log(["part                        KB   limit", ...table].join("\n")));
  const row = (name: string, bytes: number, limit: number): void => {
    table.push(`${name.padEnd(26)}${(bytes / 1024).toFixed(2).padStart(6)}${limit.toFixed(1).padStart(7)}`);
    expect(bytes / 1024, `${name} in KB`).toBeLessThanOrEqual(limit);
  };

  it.each(budgets)("%s", async (name, entries, without, limit) => {
    const all = await bundle(...entries);
    const base = without.length === 0 ? 0 : (await bundle(...without)).size;
    expect(all.size).toBeGreaterThan(base);
    row(name, all.size - base, limit);
  });

  it("has the live list only where it is used", async () => {
    expect(names).toContain("useLiveList");
    const { modules } = await bundle(HOOKS);
    expect(modules.some((path) => path.endsWith("/hooks/typing.js"))).toBe(true);
    expect(modules.filter((path) => /\/(live-list|list|persist)\.js$/.test(path))).toEqual([]);
  });

  it("styles.css", () => {
    row("styles.css", gzipSync(readFileSync(join(react.folder, "styles.css")), { level: 9 }).length, 3.0);
  });

  it("counts neither React nor socket.io-client, and never contains the devtools", async () => {
    const { text, modules } = await bundle(...COMMON, ...Object.keys(PRESETS).map((name) => `${REACT}/${name}`));
    expect(modules.filter((path) => /devtools|node_modules\/(react|socket\.io-client)\//.test(path))).toEqual([]);
    expect(text).not.toContain("Devtools");
  });

  it("leaves the devtools' panel away where a production page asks for it", async () => {
    const { modules } = await bundle(`${REACT}/devtools`);
    expect(modules.filter((path) => path.includes("/devtools/"))).toEqual([]);
    expect(modules.some((path) => path.endsWith("/devtools.js"))).toBe(true);
  });
});
