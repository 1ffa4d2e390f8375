// The harness itself: real nodes, Redis, channels_redis, tokens and broken links, from a test in the browser.

import { expect, it } from "vitest";

import { startChaos, startGate, startLayer, startRedis, until } from "./rig.js";

/** Opens a plain WebSocket and keeps what comes. */
function open(url: string): { socket: WebSocket; frames: unknown[]; closed: Promise<number>; opened: Promise<unknown> } {
  const socket = new WebSocket(url);
  const frames: unknown[] = [];
  socket.onmessage = ({ data }) => void frames.push(JSON.parse(data as string));
  return {
    socket,
    frames,
    closed: new Promise((resolve) => (socket.onclose = ({ code }) => void resolve(code))),
    opened: new Promise((resolve) => (socket.onopen = resolve)),
  };
}

it("starts, drains, kills and restarts a node on its port", async () => {
  const gate = await startGate({ presets: ["feed"] });
  const first = open(gate.ws("/ws/"));
  await first.opened;
  await gate.publish("broadcast", { type: "send_event", event: "client_create", data: { id: 1 } });
  await until("the event", () => first.frames.length === 1);
  expect(first.frames).toEqual([{ event: "client_create", data: { id: 1 } }]);
  await gate.stop();
  expect(await first.closed).toBe(1012);
  await gate.start();
  const second = open(gate.ws("/ws/"));
  await second.opened;
  await gate.kill();
  expect(await second.closed).toBe(1006);
});

it("carries what Django's channel layer sends, and goes on after Redis was restarted", async () => {
  const redis = await startRedis();
  const gate = await startGate({ presets: ["feed"], redisUrl: redis.url });
  const layer = await startLayer(redis.url);
  const page = open(gate.ws("/ws/?gaps=1"));
  await page.opened;
  await layer.send("broadcast", { type: "send_event", event: "client_create", data: { id: 2 } });
  await until("the event", () => page.frames.length === 1);
  await redis.stop();
  await redis.start();
  await until("a gap", () => page.frames.some((frame) => (frame as { event: string }).event === "gap"));
});

it("mints tokens and revokes them", async () => {
  const redis = await startRedis();
  const gate = await startGate({ presets: ["parking"], redisUrl: redis.url });
  const page = open(gate.ws(`/ws/notifications/?token=${await gate.token(7, { kind: "ws" })}`));
  await page.opened;
  await gate.disconnect({ user: 7 });
  expect(await page.closed).toBe(4403);
});

it("breaks a link so that neither side sees it, and then so that both do", async () => {
  const gate = await startGate({ presets: ["feed"] });
  const chaos = await startChaos(gate.port);
  const page = open(chaos.ws("/ws/"));
  await page.opened;
  await chaos.halfOpen();
  await gate.publish("broadcast", { type: "send_event", event: "client_create", data: {} });
  const direct = open(chaos.ws("/ws/"));
  await direct.opened;
  await gate.publish("broadcast", { type: "send_event", event: "client_update", data: {} });
  await until("the event on the new connection", () => direct.frames.length === 1);
  expect(page.frames).toEqual([]);
  expect(page.socket.readyState).toBe(WebSocket.OPEN);
  await chaos.cut();
  expect(await page.closed).toBe(1006);
});
