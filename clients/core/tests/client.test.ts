// The driver with a clock and a transport of the test: what applications see.

import { describe, expect, it, vi } from "vitest";

import { enveloped, isOfTopic, notifications } from "../src/dialect.js";
import { createClient, Disconnected, typed, Unauthorized, webSocket, wsToken } from "../src/index.js";
import type { TokenContext } from "../src/index.js";
import { page } from "../src/lifecycle.js";
import { FakeWebSocket, rig, settled, uncaught, type Rig } from "./support.js";

describe("a client", () => {
  it("opens one connection for all its users, and closes it when the last one is gone", async () => {
    const { client, clock, sockets, statuses } = rig();
    const first = client.acquire();
    const second = client.acquire();
    await settled();
    sockets[0]?.open();
    await clock.pass(30);
    first();
    first();
    await clock.pass(100);
    expect(client.snapshot().status).toBe("open");
    second();
    // StrictMode: released and acquired again at once.
    const third = client.acquire();
    await clock.pass(100);
    expect(sockets.map(({ closedWith }) => closedWith)).toEqual([undefined]);
    third();
    await clock.pass(0);
    expect(sockets.map(({ closedWith }) => closedWith)).toEqual([1000]);
    expect(statuses).toEqual(["connecting", "open", "closed"]);
    expect(clock.timers).toBe(0);
  });

  it("is closed before what was queued after its release, whatever happens to it in between", async () => {
    const { client, clock, sockets } = rig();
    const release = client.acquire();
    await settled();
    release();
    const ended: unknown[] = [];
    clock.later(() => void ended.push(sockets[0]?.closedWith), 0);
    // Each of these sets the timer for what is due next.
    sockets[0]?.open();
    sockets[0]?.frame({ event: "x" });
    client.send("y");
    await clock.pass(0);
    expect(ended).toEqual([1000]);
    expect(clock.timers).toBe(0);
    client.acquire();
    await settled();
    client.acquire()();
    client.disconnect();
    await clock.pass(1_000);
    expect(clock.timers).toBe(0);
  });

  it("comes back, says its interests in order and then what waited, and that something may be missing", async () => {
    const { client, clock, sockets, opened, statuses } = rig();
    const missed: unknown[] = [];
    client.onMissed((what) => void missed.push(what));
    client.want("room", "b");
    client.want("room", "a");
    const release = client.want("topic", "news");
    client.want("room", "b");
    expect(client.send("early", { n: 1 })).toBe("queued");
    const socket = await opened();
    expect(socket.sent).toEqual([
      { type: "join", room: "b" },
      { type: "join", room: "a" },
      { type: "subscribe", topic: "news" },
      { type: "early", n: 1 },
    ]);
    release();
    await clock.pass(0);
    expect(socket.sent.at(-1)).toEqual({ type: "unsubscribe", topic: "news" });
    const seen = clock.now();
    socket.frame({ type: "order.status", status: "paid" });
    await clock.pass(1_000);
    socket.end(1006);
    expect(client.send("late")).toBe("queued");
    expect(client.send("typing", {}, { volatile: true })).toBe("dropped");
    await clock.pass(500);
    sockets[1]?.open();
    expect(sockets[1]?.sent).toEqual([{ type: "join", room: "b" }, { type: "join", room: "a" }, { type: "late" }]);
    expect(missed).toEqual([]);
    await clock.pass(30);
    expect(missed).toEqual([{ reason: "reconnected", groups: null, since: seen, until: clock.now() }]);
    expect(client.snapshot()).toMatchObject({ status: "open", recovery: "live", missed: null, recovered: false, drops: 1, attempt: 1 });
    expect(statuses).toEqual(["idle", "connecting", "open", "reconnecting", "open"]);
  });
});

describe("events", () => {
  it("are handed over exactly once, in order, synchronously from the message", async () => {
    const { client, opened } = rig();
    const seen: unknown[] = [];
    client.on("a", (data) => void seen.push(["a", data]));
    client.on("*", (data, { event, frame, at }) => void seen.push(["*", event, data === frame, at > 0]));
    const off = client.on("b", () => void seen.push("b"));
    const socket = await opened();
    socket.frame({ type: "a", n: 1 });
    expect(seen).toEqual([["a", { type: "a", n: 1 }], ["*", "a", true, true]]);
    seen.length = 0;
    socket.frame({ event: "b", data: 2 });
    off();
    off();
    socket.frame({ event: "b", data: 3 });
    expect(seen).toEqual([["*", "b", false, true], "b", ["*", "b", false, true]]);
    for (let n = 0; n < 5_000; n += 1) socket.frame({ type: "a", n });
    expect(seen.filter((one) => Array.isArray(one) && one[0] === "a")).toHaveLength(5_000);
  });

  it("reach a handler as often as it was added, and whatever other handlers do", async () => {
    const errors = uncaught();
    const { client, opened } = rig();
    const seen: number[] = [];
    const handler = (data: unknown) => void seen.push((data as { n: number }).n);
    client.on("a", () => {
      throw new Error("a mistake");
    });
    const once = client.on("a", handler);
    const inside = client.on("a", () => inside());
    client.on("a", handler);
    client.subscribe(() => {
      throw new Error("of a listener");
    });
    const socket = await opened();
    socket.frame({ type: "a", n: 1 });
    once();
    socket.frame({ type: "a", n: 2 });
    expect(seen).toEqual([1, 1, 2]);
    expect(errors.map((error) => (error as Error).message).filter((text) => text === "a mistake")).toHaveLength(2);
    expect(client.snapshot().status).toBe("open");
  });

  it("are not frames that the dialect does not take for events, nor answers to pings", async () => {
    const { client, clock, opened } = rig({ dialect: { ...typed, read: (frame) => (frame === "noise" ? null : typed.read(frame)) } });
    const seen: unknown[] = [];
    client.on("*", (data) => void seen.push(data));
    const socket = await opened();
    socket.frame({ type: "hello", node: "node-1", id: "17", v: 1 });
    expect(client.snapshot()).toMatchObject({ node: "node-1", id: "17" });
    socket.frame("noise");
    socket.frame("pong");
    expect(seen.slice(1)).toEqual(["pong"]);
    await clock.pass(25_000);
    expect(socket.pings).toBe(1);
    clock.sleep(40);
    socket.frame("pong");
    expect(seen).toHaveLength(2);
    expect(client.snapshot().latency).toBe(40);
  });

  it("of an earlier connection are not handed over", async () => {
    const { client, clock, opened, sockets } = rig();
    const seen: unknown[] = [];
    client.on("a", (data) => void seen.push(data));
    const old = await opened();
    await clock.pass(1_000);
    client.reconnect();
    old.frame({ type: "a" });
    old.end(1006);
    expect([seen, sockets.length, client.snapshot().status]).toEqual([[], 2, "reconnecting"]);
  });
});

describe("messages", () => {
  it("are kept when the connection is about to close", async () => {
    const { client, clock, opened, sockets } = rig();
    const socket = await opened();
    socket.accepts = false;
    expect(client.send("a", { n: 1 })).toBe("queued");
    expect(client.send("b", {}, { volatile: true })).toBe("dropped");
    socket.end(1006);
    await clock.pass(1_000);
    sockets[1]?.open();
    expect(sockets[1]?.sent).toEqual([{ type: "a", n: 1 }]);
  });

  it("that volatile are sent at once or never", async () => {
    const { client, opened } = rig();
    expect(client.send("typing", {}, { volatile: true })).toBe("dropped");
    const socket = await opened();
    expect(client.send("typing", {}, { volatile: true })).toBe("sent");
    expect(socket.sent).toEqual([{ type: "typing" }]);
  });

  it("that are lost are logged, and a reason to load anew", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const { client, clock, opened } = rig({ outbox: { messages: 2 } });
    const missed: unknown[] = [];
    client.onMissed(({ reason, detail }) => void missed.push([reason, detail]));
    for (const n of [1, 2, 3]) client.send("a", { n });
    expect(warn.mock.calls).toEqual([["channelgate: 1 messages were not sent"]]);
    await clock.pass(1_000);
    expect(missed).toEqual([]);
    const socket = await opened();
    expect(missed).toEqual([["outbox", "1 messages were not sent"]]);
    expect(socket.sent).toEqual([{ type: "a", n: 2 }, { type: "a", n: 3 }]);
    expect(client.snapshot().recovery).toBe("live");
  });

  it("that the dialect cannot write are reported, and stop nothing", async () => {
    const errors = uncaught();
    const write = (): never => {
      throw new Error("of write");
    };
    const { client, opened, socket } = rig({ dialect: { ...typed, write } });
    client.want("room", "a");
    client.send("b");
    await opened();
    expect(errors).toHaveLength(2);
    expect([client.snapshot().status, socket]).toEqual(["open", undefined]);
  });
});

describe("tokens", () => {
  it("are asked for by each attempt, one after the other, and go to the transport", async () => {
    const asked: TokenContext[] = [];
    const { client, clock, sockets } = rig({
      token: (context) => {
        asked.push(context);
        return Promise.resolve(`t${asked.length}`);
      },
      tokenIn: "subprotocol",
    });
    client.connect();
    client.connect();
    await settled();
    sockets[0]?.end(1006);
    await clock.pass(1_000);
    expect(asked.map(({ attempt, why }) => [attempt, why])).toEqual([[0, "first"], [1, "refused"]]);
    expect(sockets.map(({ request_: { token, tokenIn } }) => [token, tokenIn])).toEqual([["t1", "subprotocol"], ["t2", "subprotocol"]]);
  });

  it("are not asked for twice at once: the request before is aborted", async () => {
    const asked: TokenContext[] = [];
    const { client, clock, sockets } = rig({ token: (context) => (asked.push(context), new Promise(() => undefined)) });
    client.connect();
    await clock.pass(1_000);
    client.reconnect();
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    await clock.pass(9_999);
    expect(asked).toHaveLength(2);
    await clock.pass(1);
    expect(asked[1]?.signal.aborted).toBe(true);
    expect(client.snapshot().reason).toEqual({ kind: "token", text: "no answer" });
    client.disconnect();
    expect([sockets.length, clock.timers]).toEqual([0, 0]);
  });

  it.each([
    ["null", () => null],
    ["Unauthorized", () => Promise.reject(new Unauthorized("not logged in"))],
  ])("that are not there stop the client (%s), until there is one", async (_what, none) => {
    let token: () => string | null | Promise<string | null> = none;
    const { client, clock, sockets, lifecycle } = rig({ token: () => token() });
    client.connect();
    await settled();
    expect(client.snapshot()).toMatchObject({ status: "unauthorized", retryAt: null, reason: { kind: "token" } });
    await clock.pass(3_600_000);
    expect(sockets).toHaveLength(0);
    token = () => "t";
    lifecycle.tell("storage");
    await clock.pass(2_000);
    expect(sockets).toHaveLength(1);
  });

  it("of an option null mean unauthorized; setToken() leaves it", async () => {
    const { client, clock, sockets } = rig({ token: null });
    client.connect();
    await settled();
    expect(client.snapshot()).toMatchObject({ status: "unauthorized", reason: { text: "no token" } });
    client.setToken("t");
    await clock.pass(250);
    expect(sockets.map(({ request_ }) => request_.token)).toEqual(["t"]);
    client.setToken("u");
    await settled();
    expect(sockets).toHaveLength(1);
  });

  it("that cannot be fetched are asked for again after a pause, Retry-After at least", async () => {
    let count = 0;
    const { client, clock } = rig({
      token: () => {
        count += 1;
        return Promise.reject(count === 1 ? Object.assign(new Error("busy"), { after: 7_000 }) : "text");
      },
    });
    client.connect();
    await settled();
    expect(client.snapshot()).toMatchObject({ status: "reconnecting", reason: { kind: "token", text: "busy" }, retryAt: clock.now() + 7_500 });
    await clock.pass(7_500);
    expect(client.snapshot().reason).toEqual({ kind: "token", text: "text" });
  });

  it("may be asked for in a year: no timer is set for longer than setTimeout takes", async () => {
    const { client, clock } = rig({ token: () => Promise.reject(Object.assign(new Error("busy"), { after: 365 * 86_400_000 })) });
    client.connect();
    await settled();
    await clock.pass(100 * 86_400_000);
    expect(client.snapshot()).toMatchObject({ status: "reconnecting", attempt: 1 });
    expect(clock.longest).toBeLessThan(2 ** 31);
  });

  it("are never printed, whatever happens", async () => {
    const lines: unknown[] = [];
    const log = (...line: unknown[]) => void lines.push(line);
    const { client, clock, sockets } = rig({ token: () => "s3cret", log });
    client.connect();
    await settled();
    sockets[0]?.open();
    await clock.pass(30);
    sockets[0]?.end(4401);
    await clock.pass(1_000);
    sockets[1]?.end(4401);
    const broken = rig({ token: "s3cret", log, transport: { tokenIn: "query", dialect: typed, open: ({ token }) => { throw new SyntaxError(`bad ${token}`); } } });
    broken.client.connect();
    await settled();
    expect(broken.client.snapshot()).toMatchObject({ status: "failed", reason: { kind: "config", text: "invalid url or token" } });
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.map((line) => (line as unknown[])[0])).toContain("channelgate: unauthorized, live");
    expect(JSON.stringify(lines)).not.toContain("s3cret");
  });
});

describe("addresses", () => {
  it("may be functions, also slow ones", async () => {
    const { client, sockets } = rig({ url: () => Promise.resolve("https://other/ws/?a=1") });
    client.connect();
    await settled();
    expect(sockets[0]?.request_.url.href).toBe("https://other/ws/?a=1");
  });

  it("that no URL can be made of are failures for good", async () => {
    const { client } = rig({ url: "/relative/" });
    client.connect();
    await settled();
    expect(client.snapshot()).toMatchObject({ status: "failed", reason: { kind: "config", text: "invalid url or token" } });
  });
});

describe("onMissed", () => {
  it("runs all handlers, aborts them at the next miss, and again after a failure", async () => {
    const { client, clock, opened, sockets } = rig();
    const calls: string[] = [];
    const signals: AbortSignal[] = [];
    let failing = true;
    client.onMissed(async ({ reason }, signal) => {
      calls.push(`a ${reason}`);
      signals.push(signal);
      await Promise.resolve();
      if (failing) throw new Error("busy");
    });
    const off = client.onMissed(({ reason }) => void calls.push(`b ${reason}`));
    const socket = await opened();
    socket.frame({ type: "gap", reason: "overflow", groups: ["g"] });
    expect(client.snapshot()).toMatchObject({ recovery: "missed", missed: { reason: "gap", detail: "overflow", groups: ["g"] } });
    await clock.pass(1_000);
    expect(calls).toEqual(["a gap", "b gap"]);
    expect(client.snapshot().recovery).toBe("missed");
    off();
    failing = false;
    await clock.pass(1_500);
    expect(calls).toEqual(["a gap", "b gap", "a gap"]);
    expect([client.snapshot().recovery, signals.map(({ aborted }) => aborted)]).toEqual(["live", [false, false]]);
    client.onMissed((_missed, signal) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())));
    socket.end(1006);
    await clock.pass(1_000);
    sockets[1]?.open();
    await clock.pass(30);
    expect(client.snapshot().recovery).toBe("recovering");
    sockets[1]?.frame({ type: "gap", reason: "capacity", groups: null });
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, true]);
    client.fresh();
    await clock.pass(10_000);
    expect(client.snapshot()).toMatchObject({ recovery: "live", missed: null });
  });

  it("is heard by a handler that comes late", async () => {
    const { client, clock, opened, sockets } = rig();
    (await opened()).end(1006);
    await clock.pass(1_000);
    sockets[1]?.open();
    await clock.pass(60_000);
    expect(client.snapshot().recovery).toBe("missed");
    let calls = 0;
    client.onMissed(() => void (calls += 1));
    await clock.pass(2_000);
    expect([calls, client.snapshot().recovery]).toEqual([1, "live"]);
  });
});

describe("request", () => {
  it("is the transport's acknowledgement, or Disconnected", async () => {
    const { client, opened } = rig();
    await expect(client.request("a")).rejects.toBeInstanceOf(Disconnected);
    const socket = await opened();
    await expect(client.request("a")).rejects.toBeInstanceOf(Disconnected);
    const asked: unknown[] = [];
    socket.request = (...how: unknown[]) => (asked.push(how), Promise.resolve(7));
    const { signal } = new AbortController();
    expect([await client.request("a", { n: 1 }), await client.request("b", 2, { timeout: 5, signal })]).toEqual([7, 7]);
    expect(asked).toEqual([["a", { n: 1 }, 10_000, undefined], ["b", 2, 5, signal]]);
  });
});

describe("the page", () => {
  it("is watched as long as there is, or may be, a connection", async () => {
    const { client, lifecycle, opened, sockets } = rig({ token: "t" });
    expect(lifecycle.watching).toBe(0);
    const socket = await opened();
    lifecycle.isOnline = false;
    expect(lifecycle.watching).toBe(1);
    socket.end(4403);
    expect([client.snapshot().status, lifecycle.watching]).toEqual(["unauthorized", 1]);
    client.reconnect();
    client.disconnect();
    expect([client.snapshot().status, lifecycle.watching, sockets.length]).toEqual(["closed", 0, 1]);
  });

  it("tells the network and the hidden tab from the beginning", async () => {
    const { client, clock, lifecycle, statuses } = rig();
    lifecycle.isOnline = false;
    lifecycle.isHidden = true;
    client.connect();
    await clock.pass(20_000);
    expect(statuses).toEqual(["offline"]);
    expect(client.snapshot().retryAt).toBe(clock.now() + 40_000);
  });

  it("is heard by its DOM events, and not after that", () => {
    const window = new EventTarget();
    vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
    vi.stubGlobal("document", { hidden: false });
    const told: string[] = [];
    const end = page.watch((what) => told.push(what));
    const types = ["online", "offline", "storage", "pagehide", "pageshow", "resume", "visibilitychange"];
    for (const type of types) window.dispatchEvent(new Event(type));
    vi.stubGlobal("document", { hidden: true });
    window.dispatchEvent(new Event("visibilitychange"));
    expect(told).toEqual(["online", "offline", "storage", "away", "back", "wake", "visible", "hidden"]);
    end();
    for (const type of types) window.dispatchEvent(new Event(type));
    expect(told).toHaveLength(8);
  });
});

describe("on a server", () => {
  it("nothing is connected, written or waited for", () => {
    vi.stubGlobal("WebSocket", class {
      constructor() {
        throw new Error("a connection");
      }
    });
    const client = createClient({ url: "wss://node/" });
    const snapshot = client.snapshot();
    client.connect();
    const release = client.acquire();
    const leave = client.want("room", "a");
    client.onMissed(() => undefined);
    client.on("a", () => undefined);
    expect(client.send("a")).toBe("dropped");
    leave();
    release();
    client.reconnect();
    client.disconnect();
    expect(client.snapshot()).toBe(snapshot);
    expect(snapshot.status).toBe("idle");
  });

  it("it connects with a WebSocket class of its own, and with a transport that says so", async () => {
    const last = () => `${FakeWebSocket.last.url} ${FakeWebSocket.last.protocols.join()}`;
    const client = createClient({ url: "http://node/ws/?a=1", token: "t", transport: webSocket({ WebSocket: FakeWebSocket }) });
    client.connect();
    client.disconnect();
    expect(last()).toBe("ws://node/ws/?a=1&cg=1&token=t ");
    vi.stubGlobal("WebSocket", FakeWebSocket);
    const other = createClient({ url: "https://node/", token: "t", tokenIn: "subprotocol", transport: { ...webSocket(), anywhere: true } });
    other.connect();
    other.disconnect();
    expect(last()).toBe("wss://node/?cg=1 access_token,t");
  });

  it("modules touch nothing of a page when they are imported", async () => {
    const touched: string[] = [];
    for (const name of ["window", "document", "navigator", "WebSocket", "localStorage", "sessionStorage", "fetch", "location", "addEventListener"]) {
      vi.stubGlobal(name, undefined);
      Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(name) });
    }
    vi.resetModules();
    await Promise.all([import("../src/index.js"), import("../src/dialect.js"), import("../src/native.js"), import("../src/testing.js")]);
    expect(touched).toEqual([]);
  });
});

describe("webSocket()", () => {
  it("writes JSON when it is open, and reads JSON, text and bytes", () => {
    const transport = webSocket({ WebSocket: FakeWebSocket });
    const told: unknown[] = [];
    const url = new URL("wss://node/");
    const connection = transport.open(
      { url, token: null, tokenIn: "query" },
      { opened: () => told.push("opened"), frame: (frame) => told.push(frame), closed: (how) => told.push(how) },
    );
    const socket = FakeWebSocket.last;
    expect(connection.send({ a: 1 })).toBe(false);
    socket.readyState = 1;
    expect(connection.send({ a: 1 })).toBe(true);
    connection.ping?.();
    connection.close(1000);
    expect([socket.sent, socket.closed]).toEqual([['{"a":1}', "ping"], [1000]]);
    socket.onopen?.(undefined as never);
    const bytes = new ArrayBuffer(2);
    for (const data of ['{"b":2}', "pong", bytes]) socket.onmessage?.({ data } as never);
    socket.onerror?.(undefined as never);
    socket.onclose?.({ code: 1012, reason: "drain" } as never);
    expect(told).toEqual(["opened", { b: 2 }, "pong", bytes, { code: 1012, text: "drain" }]);
    // The application's object is not changed.
    expect(url.href).toBe("wss://node/");
  });
});

describe("wsToken()", () => {
  const context = { attempt: 0, why: "first", signal: new AbortController().signal } as const;
  const answer = (body: unknown, init?: ResponseInit) => {
    const fetch = vi.fn(() => Promise.resolve(new Response(JSON.stringify(body), init)));
    vi.stubGlobal("fetch", fetch);
    return fetch;
  };

  it("fetches the token with the page's cookies, or with a header", async () => {
    const fetch = answer({ ws_token: "t", other: "u" });
    expect(await wsToken()(context)).toBe("t");
    expect(fetch).toHaveBeenCalledWith("/api/user/ws-token/", { signal: context.signal, cache: "no-store", headers: {} });
    expect(await wsToken("/x/", { field: "other", credentials: "include", authorization: () => "Bearer a" })(context)).toBe("u");
    expect(fetch).toHaveBeenLastCalledWith("/x/", { signal: context.signal, cache: "no-store", credentials: "include", headers: { Authorization: "Bearer a" } });
    expect(await wsToken("/x/", { field: "absent" })(context)).toBe(null);
  });

  it.each([401, 403])("takes %i for the end, and other errors for a pause", async (status) => {
    answer({}, { status });
    await expect(wsToken()(context)).rejects.toBeInstanceOf(Unauthorized);
    answer({}, { status: 503, headers: { "Retry-After": "7" } });
    const error: unknown = await wsToken("/x/")(context).catch((error: unknown) => error);
    expect(error).toMatchObject({ message: "/x/: 503", after: 7_000 });
    expect(error).not.toBeInstanceOf(Unauthorized);
  });
});

describe("dialects", () => {
  it("read {type, …} and {event, data}", () => {
    for (const dialect of [typed, enveloped, notifications()]) {
      expect(dialect.read({ type: "a", n: 1 })).toEqual({ event: "a", data: { type: "a", n: 1 } });
      expect(dialect.read({ event: "a", data: 1 })).toEqual({ event: "a", data: 1 });
      for (const frame of ["text", null, 7, { n: 1 }, [1]]) expect(dialect.read(frame)).toEqual({ event: "", data: frame });
    }
  });

  it("write messages, rooms and topics", () => {
    expect(typed.write("a", { n: 1 })).toEqual({ type: "a", n: 1 });
    expect(typed.write("a", undefined)).toEqual({ type: "a" });
    expect(typed.write("a", "b")).toEqual({ type: "a", data: "b" });
    expect(JSON.stringify(typed.write("a", { n: 1, type: "image" }))).toBe('{"type":"a","n":1}');
    expect(enveloped.write("a", [1])).toEqual({ event: "a", data: [1] });
    expect(typed.interest("room", "x", true)).toEqual({ event: "join", data: { room: "x" } });
    expect(typed.interest("room", "x", false)).toEqual({ event: "leave", data: { room: "x" } });
    expect(typed.interest("topic", "x", true)).toEqual({ event: "subscribe", data: { topic: "x" } });
    expect(typed.interest("topic", "x", false)).toEqual({ event: "unsubscribe", data: { topic: "x" } });
    const subscribing = notifications();
    expect(subscribing.interest("topic", "x", true)).toEqual({ event: "subscribe", data: { notification_types: ["x"] } });
    expect(subscribing.interest("topic", "x", false)).toBe(null);
    expect(subscribing.write("subscribe", { notification_types: ["x"] })).toEqual({ type: "subscribe", notification_types: ["x"] });
  });
});

describe("a topic that the server cannot take back", () => {
  const heard = (client: Rig["client"]) => {
    const all: unknown[] = [];
    client.on("*", (data) => all.push((data as { n?: number }).n));
    return all;
  };
  const event = (topic: string | undefined, n: number) => ({ type: "notification", message: "m", data: {}, topic, n });

  it("is heard as long as somebody wants it, and again when it is wanted again", async () => {
    const { client, clock, opened } = rig({ dialect: notifications() });
    const numbers = heard(client);
    const socket = await opened();
    const first = client.want("topic", "reservation");
    const second = client.want("topic", "reservation");
    socket.frame(event("new_reservation", 1));
    first();
    await clock.pass(0);
    socket.frame(event("new_reservation", 2));
    second();
    // Not before `linger` is over: the component may only be mounted anew.
    socket.frame(event("new_reservation", 3));
    await clock.pass(0);
    socket.frame(event("new_reservation", 4));
    socket.frame(event("reservation", 5));
    socket.frame(event("reservations", 6));
    client.want("topic", "reservation");
    socket.frame(event("reservation_expired", 7));
    expect(numbers).toEqual([1, 2, 3, 6, 7]);
    expect(socket.sent.filter((frame) => JSON.stringify(frame).includes("subscribe"))).toHaveLength(2);
  });

  it("is left away only if no other topic brings the event, and a left event is a sign of life", async () => {
    const { client, clock, opened, sockets } = rig({ dialect: notifications(), heartbeat: {} });
    const numbers = heard(client);
    const socket = await opened();
    client.want("topic", "parking_lot");
    client.want("room", "reservation");
    client.want("topic", "reservation")();
    await clock.pass(0);
    socket.frame(event("new_reservation", 1));
    socket.frame(event("parking_lot_reservation", 2));
    socket.frame(event("new_parking_lot", 3));
    // What the application has asked for by itself, what has no topic, and what is for the client itself.
    socket.frame(event("payment", 4));
    socket.frame(event(undefined, 5));
    socket.frame({ type: "notification", topic: 7, n: 6 });
    await clock.pass(24_000);
    const { pings } = socket;
    socket.frame(event("new_reservation", 7));
    await clock.pass(24_000);
    expect(socket.pings).toBe(pings);
    expect(numbers).toEqual([2, 3, 4, 5, 6]);

    // Another connection has only what is wanted, so all that comes is for somebody.
    socket.end(1006);
    await clock.pass(1_000);
    sockets[1]?.open();
    sockets[1]?.frame(event("new_reservation", 8));
    expect(numbers).toEqual([2, 3, 4, 5, 6, 8]);
  });

  it("is another client's own matter: each has a dialect of its own", async () => {
    const [one, other] = [rig({ dialect: notifications() }), rig({ dialect: notifications() })];
    const [first, second] = [heard(one.client), heard(other.client)];
    const sockets = [await one.opened(), await other.opened()];
    one.client.want("topic", "reservation")();
    other.client.want("topic", "reservation");
    await one.clock.pass(0);
    for (const socket of sockets) socket.frame(event("new_reservation", 1));
    expect([first, second]).toEqual([[], [1]]);
  });

  it("is what the dialect says: others take theirs back, and their frames may have a topic of their own", async () => {
    for (const dialect of [typed, enveloped]) {
      const { client, clock, opened } = rig({ dialect });
      const all = vi.fn();
      client.on("notification", all);
      const socket = await opened();
      client.want("topic", "reservation")();
      await clock.pass(0);
      socket.frame(event("reservation", 1));
      expect(all).toHaveBeenCalledTimes(1);
    }
  });

  it("matches as the node matches: whole words between underscores", () => {
    for (const topic of ["reservation", "new_reservation", "reservation_expired", "a_reservation_b"]) expect(isOfTopic(topic, "reservation"), topic).toBe(true);
    for (const topic of ["reservations", "new_reservations", "preservation", "parking_lot", ""]) expect(isOfTopic(topic, "reservation"), topic).toBe(false);
    expect([isOfTopic("new_parking_lot", "parking_lot"), isOfTopic("parking_lots", "parking_lot"), isOfTopic("parking", "parking_lot")]).toEqual([true, false, false]);
  });
});

describe("debugging", () => {
  it("prints one line per transition where localStorage.channelgate is debug, and else nothing", async () => {
    const debug = vi.spyOn(console, "debug").mockImplementation(() => undefined);
    await rig().opened();
    expect(debug).not.toHaveBeenCalled();
    vi.stubGlobal("localStorage", { channelgate: "debug" });
    const { opened, clock } = rig();
    (await opened()).end(1006);
    await clock.pass(100);
    expect(debug.mock.calls.map(([line]) => line as string)).toEqual(["channelgate: connecting, live", "channelgate: open, live", "channelgate: reconnecting, live"]);
  });
});
