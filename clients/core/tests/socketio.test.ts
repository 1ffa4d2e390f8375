// The Socket.IO transport alone: the real socket.io-client against real nodes.

import { once } from "node:events";

import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";

import { Disconnected, TimedOut } from "@channelgate/client";
import { rooms, socketIo, type SocketIoFrame, type SocketIoOptions } from "@channelgate/client/socketio";

import { Gate } from "../../tests/real/support/gate.js";
import { until } from "../../tests/real/support/until.js";
import type { Connection, ConnectionEvents, TokenIn } from "../src/types.js";

const CONFIG = `
presets = []
[[consumer]]
name = "echo"
path = "/socket.io/"
protocol = "socket.io"
groups = ["everybody"]
[consumer.on_connect]
reply = { event = "auth", data = "auth or {}" }
[consumer.on_message.echo]
ack_args = "args"
[consumer.on_message.silent]
[consumer.on_message.back]
reply = { event = "message-back", args = "args" }
[consumer.on_message.ask]
reply = { event = "question", data = "1", expect = { timeout = "30s", ok = { reply = { event = "answered", args = "result.args" } } } }
[consumer.on_message.quit]
disconnect = true
[consumer.on_event."*"]
emit = { event = "{{ event.type }}", data = "event.data" }

[[consumer]]
name = "members"
path = "/socket.io/"
protocol = "socket.io"
namespace = "/members"
auth = ["jwt"]
[consumer.reject]
missing = "No token"
message = "Members only"
[consumer.on_connect]
reply = { event = "hello", data = "dict(user, shop=query.shop | default(none))" }

[[consumer]]
name = "closed"
path = "/socket.io/"
protocol = "socket.io"
namespace = "/closed"
[[consumer.on_admit]]
refuse = "Not today"

[[consumer]]
name = "undecided"
path = "/socket.io/"
protocol = "socket.io"
namespace = "/undecided"
[[consumer.on_admit]]
[consumer.on_admit.call]
action = "decide"
`;

type Closed = Parameters<ConnectionEvents["closed"]>[0];
interface Opened {
  connection: Connection;
  opened: { node: string | null; id: string | null }[];
  frames: SocketIoFrame[];
  closed: Closed[];
  /** Waits for the n-th frame of an event. */
  frame(event: string): Promise<SocketIoFrame>;
  end(): Promise<Closed>;
}

const connections: Connection[] = [];
afterEach(() => {
  for (const connection of connections.splice(0)) connection.close();
});

/** Opens a connection of the transport, and keeps what it tells. */
function open(url: string, how: { options?: SocketIoOptions; token?: string; tokenIn?: TokenIn } = {}): Opened {
  const { options, token = null, tokenIn = "auth" } = how;
  const seen: Omit<Opened, "connection"> = {
    opened: [],
    frames: [],
    closed: [],
    frame: (event) => until(`an event ${event}`, () => seen.frames.find((frame) => frame.event === event)),
    end: () => until("the end", () => seen.closed[0]),
  };
  const connection = socketIo(options).open(
    { url: new URL(url), token, tokenIn },
    {
      opened: (known) => seen.opened.push(known ?? { node: null, id: null }),
      frame: (frame) => seen.frames.push(frame as SocketIoFrame),
      closed: (how) => seen.closed.push(how),
    },
  );
  connections.push(connection);
  return Object.assign(seen, { connection });
}

describe("with a node", () => {
  let gate: Gate;
  beforeAll(async () => {
    gate = await Gate.start({ config: CONFIG });
  });
  afterAll(() => gate.close());

  it("shows the token in auth, beside cg and what the application adds", async () => {
    const { frame, opened } = open(gate.url, { token: "the token", options: { auth: { shop: 7 } } });
    expect((await frame("auth")).data).toEqual({ token: "the token", cg: 1, shop: 7 });
    expect(opened).toHaveLength(1);
  });

  it("sends no token that there is not", async () => {
    const { frame } = open(gate.url);
    expect((await frame("auth")).data).toEqual({ cg: 1 });
  });

  it("shows the token in the query where that is asked for, and keeps the query of the url", async () => {
    const { frame } = open(`${gate.url}members?shop=7`, { token: gate.token(7), tokenIn: "query" });
    expect((await frame("hello")).data).toMatchObject({ id: 7, shop: "7" });
  });

  it("shows it in auth where a subprotocol is asked for, which Socket.IO does not have", async () => {
    const { frame } = open(gate.url, { token: "the token", tokenIn: "subprotocol" });
    expect((await frame("auth")).data).toEqual({ token: "the token", cg: 1 });
  });

  it("knows the node by the session, and never tells the session's secret", async () => {
    const { opened, frame } = open(gate.url);
    await frame("auth");
    const metrics = await fetch(`${gate.url}metrics`, { headers: { Authorization: `Bearer ${gate.key}` } });
    const [, node] = /channelgate_node_info\{node="(\w+)"/.exec(await metrics.text()) ?? [];
    expect(node).toBeTruthy();
    expect(opened).toEqual([{ node, id: expect.stringMatching(/^[\w-]{16,}$/) as string }]);
  });

  it("goes to the namespace that the url's path names", async () => {
    const { frame } = open(`${gate.url}members`, { token: gate.token("ann") });
    expect((await frame("hello")).data).toMatchObject({ id: "ann" });
  });

  it.each(["websocket", "polling"] as const)("sends and receives several arguments and bytes by %s", async (transport) => {
    const { connection, frame } = open(gate.url, { options: { transports: [transport] } });
    await frame("auth");
    const bytes = new Uint8Array([1, 2, 255]);
    expect(connection.send({ event: "back", args: ["a", { b: [1] }, bytes] })).toBe(true);
    const back = await frame("message-back");
    expect(back.args?.slice(0, 2)).toEqual(["a", { b: [1] }]);
    expect(new Uint8Array(back.args?.[2] as Buffer)).toEqual(bytes);
    expect(back.data).toBe("a");
  });

  it("sends an event without data without an argument", async () => {
    const { connection, frame } = open(gate.url);
    await frame("auth");
    connection.send(rooms().write("back", undefined));
    expect((await frame("message-back")).args).toEqual([]);
  });

  it("sends nothing before it is open, and keeps nothing for later", async () => {
    const { connection, frame, frames } = open(gate.url);
    expect(connection.send({ event: "back", data: "early" })).toBe(false);
    await frame("auth");
    connection.send({ event: "back", data: "now" });
    await frame("message-back");
    expect(frames.map(({ event, data }) => [event, event === "auth" ? null : data])).toEqual([["auth", null], ["message-back", "now"]]);
  });

  it("resolves a request with the acknowledgement; rejects it in time, when it is aborted, and with the connection", async () => {
    const { connection, frame } = open(gate.url);
    await frame("auth");
    const request = (event: string, timeout: number, signal?: AbortSignal) => connection.request?.(event, { a: 1 }, timeout, signal);
    await expect(request("echo", 30_000)).resolves.toEqual({ a: 1 });
    await expect(request("silent", 20)).rejects.toBeInstanceOf(TimedOut);
    const controller = new AbortController();
    const aborted = expect(request("silent", 1_000, controller.signal)).rejects.toThrow("enough");
    controller.abort(new Error("enough"));
    await aborted;
    await expect(request("echo", 1_000, controller.signal)).rejects.toThrow("enough");
    const lost = expect(request("silent", 30_000)).rejects.toBeInstanceOf(Disconnected);
    connection.send({ event: "quit" });
    await lost;
  });

  it("rejects what waits for an acknowledgement when the client closes", async () => {
    const { connection, frame } = open(gate.url);
    await frame("auth");
    const lost = expect(connection.request?.("silent", 1, 10_000)).rejects.toBeInstanceOf(Disconnected);
    connection.close();
    await lost;
  });

  it("lets the application answer the server's request for an acknowledgement", async () => {
    const { connection, frame } = open(gate.url);
    await frame("auth");
    connection.send({ event: "ask" });
    const { args } = await frame("question");
    (args?.at(-1) as (...values: unknown[]) => void)("yes", 2);
    expect((await frame("answered")).args).toEqual(["yes", 2]);
  });

  it("gives each client a connection of its own", async () => {
    await until("those of other tests are gone", async () => (await gate.metric("channelgate_connections")) === 0);
    const all = [open(gate.url), open(gate.url), open(gate.url)];
    await Promise.all(all.map(({ frame }) => frame("auth")));
    expect(await gate.metric("channelgate_connections")).toBe(3);
    all[0]?.connection.close();
    expect(all[1]?.connection.send({ event: "back", data: "still here" })).toBe(true);
    await all[1]?.frame("message-back");
    expect(all[1]?.closed).toEqual([]);
  });

  it.each([
    ["nothing-here", undefined, "Invalid namespace", "failed"],
    ["members", undefined, "No token", "expired"],
    ["members", "not a token", "Members only", "expired"],
    ["closed", undefined, "Not today", "expired"],
    ["undecided", undefined, "Service unavailable", "retry-later"],
  ] as const)("says what a refusal of /%s with the token %s means: %s, %s", async (namespace, token, text, verdict) => {
    const { opened, closed, end } = open(`${gate.url}${namespace}`, token === undefined ? {} : { token });
    expect(await end()).toEqual({ code: 0, text, verdict });
    expect([opened, closed.length]).toEqual([[], 1]);
  });

  it("takes the application's word on what a refusal means", async () => {
    const { end } = open(`${gate.url}closed`, { options: { refusals: { "Not today": "unauthorized" } } });
    expect((await end()).verdict).toBe("unauthorized");
  });

  it("asks for a fresh token when the server has ended it", async () => {
    const { connection, frame, end, closed } = open(gate.url);
    await frame("auth");
    connection.send({ event: "quit" });
    expect(await end()).toEqual({ code: 0, text: "io server disconnect", verdict: "expired" });
    expect(closed).toHaveLength(1);
    expect(connection.send({ event: "back" })).toBe(false);
  });

  it("tells nothing more after it was closed, also while it opens", async () => {
    const early = open(gate.url);
    early.connection.close();
    const late = open(gate.url);
    await late.frame("auth");
    await gate.publish("everybody", { type: "first", data: 1 });
    await late.frame("first");
    late.connection.close();
    late.connection.close();
    await until("both connections are gone", async () => (await gate.metric("channelgate_connections")) === 0);
    expect([early.opened, early.closed, late.closed]).toEqual([[], [], []]);
  });

  it.each(["check", "send", "request"] as const)("finds that it has missed a heartbeat at the first %s after sleep", async (what) => {
    const { connection, frame, end } = open(gate.url);
    await frame("auth");
    connection.check?.();
    expect(connection.send({ event: "back", data: "alive" })).toBe(true);
    await frame("message-back");
    // The clock is ahead, and the timers are not.
    const clock = Date.now;
    Date.now = () => clock() + 60_000;
    try {
      if (what === "check") connection.check?.();
      else if (what === "request") await expect(connection.request?.("echo", 1, 10_000)).rejects.toBeInstanceOf(Disconnected);
      else expect(connection.send({ event: "back", data: "kept" })).toBe(false);
      expect(await end()).toEqual({ code: 1006, text: "ping timeout", verdict: "retry" });
    } finally {
      Date.now = clock;
    }
  });
});

describe("with servers of another make", () => {
  /** A server that answers the request for a namespace with these packets. */
  const answering = async (...packets: string[]) => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => server.close());
    server.on("connection", (socket) => {
      socket.send('0{"sid":"abc.def","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}');
      socket.on("message", () => {
        for (const packet of packets) socket.send(packet);
      });
    });
    await once(server, "listening");
    return `http://127.0.0.1:${server.address().port}/`;
  };

  it("is open before it hands over an event that came too early", async () => {
    const order: unknown[] = [];
    const url = new URL(await answering('42["early",1]', '40{"sid":"xyz"}'));
    const events = { opened: (known: unknown) => order.push(known), frame: (frame: unknown) => order.push(frame), closed: () => order.push("closed") };
    connections.push(socketIo().open({ url, token: null, tokenIn: "auth" }, events));
    await until("both", () => order.length > 1);
    expect(order).toEqual([{ node: null, id: "xyz" }, { event: "early", data: 1, args: [1] }]);
  });

  it("has failed if the server is older than the protocol", async () => {
    const { end } = open(await answering("40"));
    expect(await end()).toMatchObject({ verdict: "failed" });
  });
});

describe("with a node in trouble", () => {
  let gate: Gate | undefined;
  const start = async (env: Record<string, string> = {}) => (gate = await Gate.start({ config: CONFIG, env }));
  afterEach(() => gate?.close());

  it("retries soon after a drain, as the close code says", async () => {
    const { url } = await start();
    const { frame, end } = open(url);
    await frame("auth");
    await gate?.stop();
    expect(await end()).toMatchObject({ code: 1012 });
    expect((await end()).verdict).toBeUndefined();
  });

  it("retries when the node was killed, and when nothing listens", async () => {
    const { url } = await start();
    const { frame, end } = open(url);
    await frame("auth");
    await gate?.kill();
    expect(await end()).toMatchObject({ code: 1006, verdict: "retry" });
    const { end: refused } = open(url);
    expect(await refused()).toMatchObject({ code: 1006, verdict: "retry" });
  });

  it("notices a node that hangs by the server's heartbeat", async () => {
    // A client that is stopped for less than this, by a busy machine, is not a dead one.
    const { url } = await start({ CHANNELGATE__SOCKETIO__PING_INTERVAL: "300ms", CHANNELGATE__SOCKETIO__PING_TIMEOUT: "6s" });
    const { frame, end } = open(url);
    await frame("auth");
    gate?.freeze();
    expect(await end()).toEqual({ code: 1006, text: "ping timeout", verdict: "retry" });
  });

  it.each(["websocket", "polling"] as const)("waits longer for a node that is full, by %s", async (transport) => {
    const { url } = await start({ CHANNELGATE__SERVER__MAX_CONNECTIONS: "1" });
    await open(url).frame("auth");
    const { end } = open(url, { options: { transports: [transport] } });
    const { text, verdict } = await end();
    expect(text).toContain("503");
    expect(verdict).toBe("retry-later");
  });

  it("waits longer if the user has too many connections", async () => {
    const { url } = await start({ CHANNELGATE__LIMITS__CONNECTIONS_PER_USER: "1" });
    const token = gate?.token(7) ?? "";
    await open(`${url}members`, { token }).frame("hello");
    const { end } = open(`${url}members`, { token });
    expect(await end()).toEqual({ code: 0, text: "too many connections of this user", verdict: "retry-later" });
  });
});

describe("the dialect of rooms", () => {
  it("joins and leaves by the names and the data that the server knows", () => {
    const dialect = rooms("join_room", "leave_room", (room) => ({ room }));
    expect(dialect.interest("room", "ticket_1", true)).toEqual({ event: "join_room", data: { room: "ticket_1" } });
    expect(dialect.interest("room", "ticket_1", false)).toEqual({ event: "leave_room", data: { room: "ticket_1" } });
    expect(dialect.interest("topic", "news", true)).toBeNull();
    expect(rooms().interest("room", "7", true)).toEqual({ event: "join", data: "7" });
  });
});
