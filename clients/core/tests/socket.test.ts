// The socket for code that was written for socket.io-client.

import { expect, it, vi } from "vitest";

import { socketOf } from "../src/socket.js";
import { createTestClient } from "../src/testing.js";

it("is one object for a client, and hears and sends over each of its connections", () => {
  const client = createTestClient();
  const socket = socketOf(client);
  expect(socketOf(client)).toBe(socket);
  const [heard, connect, disconnect] = [vi.fn(), vi.fn(), vi.fn()];
  socket.on("tick", heard);
  socket.on("connect", connect);
  socket.on("disconnect", disconnect);
  socket.emit("early", 1);
  expect([socket.connected, socket.id]).toEqual([false, null]);
  client.open();
  expect(socket.connected).toBe(true);
  client.receive("tick", 1);
  client.drop();
  client.open();
  client.receive("tick", 2);
  expect(client.sent).toEqual([{ event: "early", data: 1 }]);
  expect(heard.mock.calls).toEqual([[1], [2]]);
  expect([connect, disconnect].map(({ mock }) => mock.calls.length)).toEqual([2, 1]);
});

it("takes back one registration of a handler, or all handlers of an event", () => {
  const client = createTestClient();
  const socket = socketOf(client);
  const [one, other] = [vi.fn(), vi.fn()];
  client.open();
  socket.on("tick", one);
  const end = socket.on("tick", one);
  socket.on("tick", other);
  socket.off("tick", one);
  client.receive("tick");
  expect([one, other].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  end();
  end();
  client.receive("tick");
  expect([one, other].map(({ mock }) => mock.calls.length)).toEqual([1, 2]);
  socket.off("tick");
  client.receive("tick");
  expect([one, other].map(({ mock }) => mock.calls.length)).toEqual([1, 2]);
});

it("follows a function that makes its client later", () => {
  const client = createTestClient();
  const get = vi.fn(() => client);
  const socket = socketOf(get);
  expect(get).not.toHaveBeenCalled();
  socket.emit("x");
  client.open();
  expect(client.sent).toEqual([{ event: "x", data: undefined }]);
});
