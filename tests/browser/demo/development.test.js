// The development build, in which React's StrictMode mounts everything twice: still one socket for each system.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Demo, System } from "../support/demo.js";
import { freePort } from "../support/gate.js";
import { launch } from "../support/live.js";
import { until } from "../support/until.js";

const folder = fileURLToPath(new URL("../../../clients/demo/", import.meta.url));
const vite = fileURLToPath(new URL("../../../clients/node_modules/vite/bin/vite.js", import.meta.url));

let system;
let browser;
let server;
let url;

before(async () => {
  system = await System.start({ activity: true });
  browser = await launch();
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  server = spawn(process.execPath, [vite, "--port", String(port), "--strictPort"], {
    cwd: folder,
    env: { ...process.env, DEMO_SYSTEM: system.url },
    stdio: "ignore",
  });
  await until("the development server answers", async () => (await fetch(url)).ok, 60_000);
});
after(async () => {
  await browser?.close();
  if (server && server.exitCode === null) {
    const ended = new Promise((resolve) => void server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
  }
  await system?.stop();
});

it("opens one socket per system in StrictMode", async () => {
  const demo = await Demo.open(browser, system, "visitors", { url });
  await demo.isLive(60_000);
  await until("events are shown", async () => (await demo.number("shown")) > 3, 60_000);
  const ours = demo.sockets.filter(({ url: of }) => /\/(ws|socket\.io)\//.test(of)).map(({ url: of }) => new URL(of).pathname);
  assert.deepEqual(ours.sort(), ["/socket.io/", "/socket.io/", "/ws/", "/ws/attendance/", "/ws/notifications/"]);
  await demo.close();
  assert.deepEqual(demo.problems, []);
});
