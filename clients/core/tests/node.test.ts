// Clients in Node, against a real node: with the WebSocket class of `ws`, and with Socket.IO.

import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";

import { createClient, webSocket, type Client, type Options } from "@channelgate/client";
import { socketIo } from "@channelgate/client/socketio";

import { Gate } from "../../tests/real/support/gate.js";
import { until } from "../../tests/real/support/until.js";

let gate: Gate;
beforeAll(async () => {
  gate = await Gate.start({ presets: ["feed", "dashboard"], env: { CHANNELGATE_ALLOWED_ORIGINS: "*" } });
});
afterAll(() => gate.close());

function connect(options: Options): Client<Record<string, unknown>> {
  const client = createClient<Record<string, unknown>>(options);
  client.connect();
  onTestFinished(() => client.disconnect());
  return client;
}

it("connects with a WebSocket class that it is given", async () => {
  const client = connect({ url: `${gate.url}ws/`, transport: webSocket({ WebSocket }) });
  const created: unknown[] = [];

  client.on("client_create", (data) => created.push(data));
  await until("open", () => client.snapshot().status === "open");
  await until("the hello of the node", () => client.snapshot().node);
  await gate.publish("broadcast", { type: "send_event", event: "client_create", data: { id: 7 } });
  await until("an event", () => created.length > 0);
  expect(created).toEqual([{ id: 7 }]);
});

it("connects over Socket.IO with a transport that says so", async () => {
  const client = connect({ url: gate.url, transport: { ...socketIo(), anywhere: true } });
  await until("open", () => client.snapshot().status === "open");
});

it("does not connect where pages are rendered", () => {
  for (const transport of [webSocket(), socketIo()]) expect(connect({ url: gate.url, transport }).snapshot().status).toBe("idle");
});
