// The packages in applications, as npm installs them: Next.js (app router, React 19) and webpack 5 with React 18. Each is
// built for production and opened in Chromium with a real node.

import { execFile } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";

import { launch } from "../real/pages/support/page.js";
import { end, freePort, run } from "../real/support/children.js";
import { Gate } from "../real/support/gate.js";
import { until } from "../real/support/until.js";

const { client, react } = inject("packed");
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production", FORCE_COLOR: "0" };

/** Runs a command in a folder; an error has what it printed. */
async function ran(folder: string, command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, { cwd: folder, env, timeout: 300_000, maxBuffer: 1 << 24 });
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")}\n${stdout}${stderr}`, { cause: error });
  }
}

/** Installs both archives beside what the folder's lock names; no registry is asked. */
async function install(folder: string): Promise<void> {
  remove(folder);
  await ran(folder, "npm", "install", "--no-save", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", "--package-lock=false", client.archive, react.archive);
}

/** The same without npm, which is done once. */
function unpack(folder: string): void {
  remove(folder);
  for (const { name, folder: unpacked } of [client, react]) cpSync(unpacked, join(folder, "node_modules", name), { recursive: true });
}

function remove(folder: string): void {
  if (!existsSync(join(folder, "node_modules"))) throw new Error(`${folder} has no node_modules: run scripts/setup.sh test`);
  rmSync(join(folder, "node_modules/@channelgate"), { recursive: true, force: true });
}

describe("applications", { timeout: 600_000 }, () => {
  let gate: Gate;
  let browser: Browser;
  beforeAll(async () => {
    [gate, browser] = await Promise.all([Gate.start({ presets: ["feed"] }), launch()]);
  });
  afterAll(async () => {
    await Promise.all([gate.close(), browser.close()]);
  });

  /** Opens a page and expects that it is connected, shows an event, and that the browser has nothing to say. */
  async function works(url: string): Promise<void> {
    const page = await browser.newPage();
    page.setDefaultTimeout(30_000);
    const said: string[] = [];
    page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", ({ message }) => said.push(`exception: ${message}`));
    page.on("requestfailed", (request) => said.push(`failed: ${request.url()}`));
    await page.goto(url);
    await page.locator("#status", { hasText: "open" }).waitFor();
    await gate.publish("broadcast", { type: "send_event", event: "client_create", data: { first_name: "Ada" } });
    await page.locator("#events li", { hasText: "Ada" }).waitFor();
    await page.locator("[data-cg=status]", { hasText: /./ }).waitFor();
    // The style sheet is loaded: its custom properties are set.
    expect(await page.locator("[data-cg=status]").evaluate((element) => getComputedStyle(element).getPropertyValue("--cg-radius"))).not.toBe("");
    expect(said).toEqual([]);
    await page.close();
  }

  const address = (): string => new URL("/ws/", gate.url).href;

  it("Next.js builds them, renders them on the server and hydrates without a word", async () => {
    const folder = here("next");
    unpack(folder);
    // Next.js downloads its compiler while it builds, unless the lock has it for this machine.
    const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")) as { packages: Record<string, { version: string }> };
    expect(packages[`node_modules/@next/swc-linux-${process.arch}-gnu`]?.version).toBe(packages["node_modules/next"]?.version);
    rmSync(join(folder, ".next"), { recursive: true, force: true });
    await ran(folder, "node", "node_modules/next/dist/bin/next", "build");
    const port = await freePort();
    const server = run("node", ["node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1", "--port", String(port)], {
      cwd: folder,
      env: { ...env, GATE_URL: address() },
      stdio: "ignore",
    });
    try {
      const url = `http://127.0.0.1:${port}/`;
      const html = await until("the server's page", async () => (await fetch(url)).text(), 60_000);
      expect(html).toContain('<p id="status">idle</p>');
      await works(url);
    } finally {
      await end(server, "SIGKILL");
    }
  });

  it("webpack 5 builds them for React 18", async () => {
    const folder = here("webpack");
    await install(folder);
    await ran(folder, "node", "build.js");
    const html = `<!doctype html><meta charset="utf-8"><title>webpack</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/app.css"><div id="root"></div><script src="/app.js"></script>`;
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://page");
      const types: Record<string, string> = { "/app.js": "text/javascript", "/app.css": "text/css" };
      response.setHeader("Content-Type", types[pathname] ?? "text/html");
      response.end(pathname in types ? readFileSync(join(folder, "dist", pathname)) : html);
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await works(`http://127.0.0.1:${port}/?gate=${encodeURIComponent(address())}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
