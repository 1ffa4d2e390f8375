// What strangers do to a client: hostile servers, broken networks, careless applications. Each case has broken it once,
// or could break it in a way that nothing else tries.

import { describe, expect, it, vi } from "vitest";

import { createClient, Unauthorized, webSocket, wsToken } from "../src/index.js";
import { FakeWebSocket, rig, settled, uncaught } from "./support.js";

describe("another user", () => {
  it("does not get what waits at the end of a session to its connection", async () => {
    const { client, sockets, clock, opened } = rig({ token: "of Ann" });
    const first = await opened();
    first.end(1006);
    expect(client.send("secret")).toBe("queued");
    client.disconnect();
    expect(client.snapshot()).toMatchObject({ queued: 0, recovery: "missed", missed: { reason: "outbox" } });
    client.setToken("of Bob");
    client.connect();
    await clock.pass(1_000);
    sockets[1]?.open();
    await clock.pass(1_000);
    expect(sockets[1]?.request_.token).toBe("of Bob");
    expect(sockets[1]?.sent).toEqual([]);
  });

  it("does not get what waits for a login to its connection", async () => {
    let token = "of Ann";
    const { client, sockets, clock, opened } = rig({ token: () => token });
    const first = await opened();
    first.end(1006);
    expect(client.send("secret")).toBe("queued");
    await clock.pass(1_000);
    sockets[1]?.end(4403);
    expect(client.snapshot()).toMatchObject({ status: "unauthorized", queued: 0 });
    expect(client.send("late")).toBe("dropped");
    token = "of Bob";
    client.setToken(() => token);
    expect(client.send("of Bob")).toBe("queued");
    await clock.pass(1_000);
    sockets[2]?.open();
    expect(sockets[2]?.sent).toEqual([{ type: "of Bob" }]);
  });
});

describe("users of a connection", () => {
  it("end it although it was disconnected and connected between", async () => {
    const { client, sockets, clock } = rig();
    const release = client.acquire();
    client.disconnect();
    client.connect();
    await clock.pass(1_000);
    sockets.at(-1)?.open();
    await clock.pass(30);
    expect(client.snapshot().status).toBe("open");
    release();
    await clock.pass(1_000);
    expect(client.snapshot().status).toBe("closed");
    expect(clock.timers).toBe(0);
  });

  it("begin it again after it was disconnected and all of them have gone", async () => {
    const { client, sockets, clock } = rig();
    const release = client.acquire();
    await clock.pass(1_000);
    client.disconnect();
    release();
    await clock.pass(1_000);
    client.acquire();
    await clock.pass(1_000);
    expect(sockets).toHaveLength(2);
  });

  it("are counted once, also when a listener releases again", async () => {
    const { client, clock, opened } = rig();
    client.acquire();
    const release = client.acquire();
    await opened();
    const stop = client.want("room", "a");
    client.subscribe(() => {
      release();
      stop();
    });
    release();
    stop();
    client.send("x");
    await clock.pass(1_000);
    expect(client.snapshot().status).toBe("open");
  });
});

describe("a hostile server", () => {
  const odd: unknown[] = [5, "abc", true, {}, { length: 3 }, [null, {}, 7, ["x"]], [Symbol.iterator.toString()]];

  it.each(odd.filter((groups) => !Array.isArray(groups) || groups.length > 1).map((groups, i) => [i, groups]))(
    "gap with groups of a strange type (%i) is not the node's",
    async (_, groups) => {
      const errors = uncaught();
      const { client, opened } = rig();
      const heard: unknown[] = [];
      client.on("gap", (data) => heard.push(data));
      const socket = await opened();
      expect(() => socket.frame({ type: "gap", reason: "x", groups })).not.toThrow();
      expect(heard).toHaveLength(1);
      expect(client.snapshot()).toMatchObject({ recovery: "live", missed: null });
      socket.frame({ type: "gap", reason: "x", groups: ["a"] });
      expect(client.snapshot().missed).toMatchObject({ detail: "x", groups: ["a"] });
      expect(errors).toEqual([]);
    },
  );

  it.each([{ toString: null }, 5, ["x"], null, undefined])("hello with the node %j", async (node) => {
    const { client, opened, sockets, clock } = rig();
    const socket = await opened();
    socket.frame({ type: "hello", v: 1, node, id: "x" });
    socket.frame({ type: "hello", v: 1, node: "late", id: "x" });
    expect(client.snapshot()).toMatchObject({ node: null, id: null });
    socket.end(1006);
    await clock.pass(1_000);
    sockets[1]?.open();
    sockets[1]?.frame({ type: "hello", v: 1, node: "a", id: "x" });
    expect(client.snapshot()).toMatchObject({ node: "a", id: "x" });
    sockets[1]?.frame({ event: "hello", data: { v: 1, node: "of the application", id: "y" } });
    expect(client.snapshot()).toMatchObject({ node: "a", id: "x" });
  });

  it.each([
    { type: "gap" },
    { type: "gap", from: 10, to: 12 },
    { type: "gap", reason: null, groups: null },
    { type: "gap", reason: { a: 1 }, groups: ["a"] },
    { type: "gap", reason: "", groups: null },
    { type: "gap", reason: "closed for lunch", groups: null },
    { type: "gap", reason: "capacity", groups: [1, 2] },
    { event: "gap", data: null },
    { event: "gap", data: "capacity" },
    { event: "gap", data: ["capacity"] },
    { event: "gap", data: { size: 3 } },
    { event: "price", data: { type: "gap", reason: "capacity", groups: null } },
    { event: "price", type: "gap", reason: "capacity", groups: null },
    { type: "price", gap: { reason: "capacity", groups: null }, hello: 1, pong: 1 },
    { type: ["gap"], reason: "capacity", groups: null },
    { type: "pong", reason: "capacity", groups: null },
  ])("an event of the application is not a miss: %j", async (frame) => {
    const errors = uncaught();
    const { client, opened } = rig();
    const heard = vi.fn();
    client.on("*", heard);
    const socket = await opened();
    socket.frame({ type: "hello", v: 1, node: "a", id: "x" });
    socket.frame(frame);
    expect(heard).toHaveBeenCalledTimes(2);
    expect(client.snapshot()).toMatchObject({ recovery: "live", missed: null, node: "a" });
    expect(errors).toEqual([]);
  });

  it.each([
    [{ type: "gap", reason: "reconnected", groups: null }, null],
    [{ type: "gap", reason: "a_new_one", groups: ["order_7", "user.7"] }, ["order_7", "user.7"]],
    [{ type: "gap", reason: "capacity", groups: [], later: "keys of later nodes" }, []],
    [{ event: "gap", data: { reason: "expired" } }, null],
    [{ event: "gap", data: { reason: "held", groups: ["a"] } }, ["a"]],
  ])("the node's notice is a miss: %j", async (frame, groups) => {
    const { client, opened } = rig();
    const socket = await opened();
    socket.frame(frame);
    expect(client.snapshot()).toMatchObject({ recovery: "missed", missed: { reason: "gap", groups } });
  });

  it("names of events that objects have anyway, and frames of every form", async () => {
    const errors = uncaught();
    const { client, opened } = rig();
    const heard: string[] = [];
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", ""]) client.on(name, (_, { event }) => heard.push(event));
    const socket = await opened();
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      socket.frame({ event: name, data: 1 });
      socket.frame(JSON.parse(`{"type":${JSON.stringify(name)},"__proto__":{"polluted":1}}`));
    }
    expect(heard).toHaveLength(8);
    for (const frame of [null, undefined, 0, "", "pong", "<html>", [], [1], { type: 5 }, { event: {} }, new ArrayBuffer(3), NaN]) socket.frame(frame);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(client.snapshot()).toMatchObject({ status: "open", recovery: "live" });
    expect(errors).toEqual([]);
  });

  it.each([0, -1, 999, 2_999, 3_000, 5_000, 70_000, NaN, undefined])("close code %s leaves a state that something leads out of, or an end", async (code) => {
    const { client, clock, opened } = rig();
    const socket = await opened();
    socket.end(code as number);
    const { status, retryAt } = client.snapshot();
    expect(status === "failed" || retryAt !== null).toBe(true);
    client.reconnect();
    await clock.pass(1_000);
    expect(client.snapshot().status).toBe("reconnecting");
  });

  it("100,000 events and one of 10 MB", async () => {
    const { client, opened } = rig();
    let count = 0;
    client.on("tick", () => (count += 1));
    const socket = await opened();
    for (let n = 0; n < 100_000; n += 1) socket.frame({ type: "tick", n });
    socket.frame({ type: "tick", n: "x".repeat(10_000_000) });
    expect(count).toBe(100_001);
  });

  it("frames and ends after the end change nothing", async () => {
    const { client, clock, opened } = rig();
    const heard = vi.fn();
    client.on("*", heard);
    const socket = await opened();
    client.disconnect();
    socket.frame({ type: "late" });
    socket.end(4404);
    socket.open();
    await clock.pass(60_000);
    expect(heard).not.toHaveBeenCalled();
    expect(client.snapshot().status).toBe("closed");
    expect(clock.timers).toBe(0);
  });
});

describe("Retry-After", () => {
  it.each(["Wed, 21 Oct 2015 07:28:00 GMT", "soon", ""])("%j, which is not a number, is a pause as any other", async (header) => {
    let asked = 0;
    vi.stubGlobal("fetch", () => Promise.resolve(new Response("", { status: 503, headers: { "Retry-After": header } })));
    const fetchToken = wsToken("/t");
    const { client, clock } = rig({
      token: (context) => {
        asked += 1;
        return fetchToken(context);
      },
    });
    client.connect();
    for (let n = 0; n < 30; n += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.pass(1_000);
    }
    expect(asked).toBeGreaterThan(2);
    expect(asked).toBeLessThan(10);
    client.disconnect();
  });
});

it("a Retry-After that is a date is waited for", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response("", { status: 503, headers: { "Retry-After": new Date(Date.now() + 20_000).toUTCString() } })));
  const error: unknown = await wsToken("/t")({ attempt: 0, why: "first", signal: new AbortController().signal }).catch((thrown: unknown) => thrown);
  expect((error as { after: number }).after).toBeGreaterThan(17_000);
  expect((error as { after: number }).after).toBeLessThan(20_001);
});

it("a message that is a list is not taken apart", async () => {
  const { client, opened } = rig();
  const socket = await opened();
  client.send("list", [1, 2]);
  client.send("text", "x");
  expect(socket.sent).toEqual([{ type: "list", data: [1, 2] }, { type: "text", data: "x" }]);
});

describe("functions of the application", () => {
  it.each([NaN, -5, undefined, 1e308])("that say %s where a time is meant do not stop the client", async (said) => {
    uncaught();
    const { client, clock, sockets } = rig({ backoff: { strategy: () => said as number } });
    client.connect();
    await settled();
    sockets[0]?.end(1006);
    if (said !== 1e308) await clock.pass(30_000);
    expect(said === 1e308 || sockets.length > 1).toBe(true);
    client.reconnect();
    await clock.pass(1_000);
    expect(sockets.length).toBeGreaterThan(1);
  });

  it("that throw do not stop the client: strategy, log, token, url", async () => {
    const errors = uncaught();
    const fail = (): never => {
      throw new Error("a mistake");
    };
    const { client, clock, sockets } = rig({ backoff: { strategy: fail }, log: fail });
    client.connect();
    await settled();
    sockets[0]?.open();
    await clock.pass(30);
    sockets[0]?.end(1006);
    expect(client.snapshot().status).toBe("reconnecting");
    await clock.pass(5_000);
    expect(sockets).toHaveLength(2);
    expect(errors.length).toBeGreaterThan(0);

    for (const options of [{ token: fail }, { url: fail }]) {
      const other = rig(options);
      other.client.connect();
      await other.clock.pass(60_000);
      expect(other.client.snapshot()).toMatchObject({ status: "reconnecting", reason: { kind: "token" } });
      expect(other.client.snapshot().attempt).toBeGreaterThan(1);
    }
  });

  it("a token that comes after disconnect() opens nothing", async () => {
    let give: (token: string | null) => void = () => undefined;
    const { client, clock, sockets } = rig({ token: () => new Promise<string | null>((resolve) => (give = resolve)) });
    client.connect();
    await settled();
    client.disconnect();
    give("late");
    await clock.pass(60_000);
    expect(sockets).toHaveLength(0);
    client.connect();
    await clock.pass(300);
    client.disconnect();
    give(null);
    await clock.pass(60_000);
    expect(client.snapshot().status).toBe("closed");
  });

  it("tokens and urls that never come are asked for again, one at a time", async () => {
    for (const name of ["token", "url"] as const) {
      let asked = 0;
      let waiting = 0;
      let most = 0;
      const never = (context?: { signal: AbortSignal }) => {
        asked += 1;
        most = Math.max(most, ++waiting);
        context?.signal.addEventListener("abort", () => (waiting -= 1));
        return new Promise<string>(() => undefined);
      };
      const { client, clock } = rig({ [name]: never });
      client.connect();
      await clock.pass(60_000);
      expect(asked).toBeGreaterThan(1);
      if (name === "token") expect(most).toBe(1);
      expect(client.snapshot()).toMatchObject({ status: "reconnecting", reason: { kind: "token" } });
    }
  });

  it("a token function that disconnects, or reconnects, while it is asked", async () => {
    const { client, clock, sockets } = rig({
      token: ({ attempt }) => {
        if (attempt === 0) client.disconnect();
        return "t";
      },
    });
    client.connect();
    await clock.pass(60_000);
    expect(sockets).toHaveLength(0);
    expect(client.snapshot().status).toBe("closed");
  });

  it("disconnect() within a handler, a listener and onMissed", async () => {
    for (const where of ["on", "subscribe", "onMissed"] as const) {
      const { client, clock, sockets, opened } = rig();
      const act = () => {
        if (client.snapshot().status === "open") client.disconnect();
      };
      const socket = await opened();
      if (where === "on") client.on("tick", act);
      else if (where === "subscribe") client.subscribe(act);
      else client.onMissed(act);
      socket.frame({ type: "tick" });
      socket.frame({ type: "gap", reason: "x", groups: null });
      await clock.pass(5_000);
      expect(client.snapshot().status, where).toBe("closed");
      expect(sockets).toHaveLength(1);
      expect(clock.timers).toBe(0);
    }
  });

  it("a handler that was taken away during an event is not called with it", async () => {
    const { client, opened } = rig();
    const heard: string[] = [];
    const socket = await opened();
    client.on("tick", () => {
      heard.push("first");
      end();
    });
    client.subscribe(() => stop());
    const stop = client.subscribe(() => heard.push("listener"));
    const end = client.on("tick", () => heard.push("second"));
    client.on("tick", () => heard.push("third"));
    socket.frame({ type: "tick" });
    expect(heard).toEqual(["first", "third"]);
  });

  it("handlers of onMissed that never resolve give way to fresh() and to the next miss", async () => {
    const { client, clock, opened } = rig();
    const signals: AbortSignal[] = [];
    client.onMissed((_, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    });
    const socket = await opened();
    socket.frame({ type: "gap", reason: "x", groups: null });
    await clock.pass(3_000);
    expect(client.snapshot().recovery).toBe("recovering");
    socket.frame({ type: "gap", reason: "y", groups: null });
    await clock.pass(3_000);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    client.fresh();
    expect(client.snapshot().recovery).toBe("live");
  });

  it("a token that throws Unauthorized of a subclass is one", async () => {
    class LoggedOut extends Unauthorized {}
    const { client } = rig({
      token: () => {
        throw new LoggedOut("out");
      },
    });
    client.connect();
    await settled();
    expect(client.snapshot().status).toBe("unauthorized");
  });
});

describe("tokens with odd characters", () => {
  it.each(["a&b=c#d", "a b+c", "é漢\u202e", "\r\nX: y", "%00"])("%j arrives as it is", async (token) => {
    const client = createClient({ url: "ws://node.test/ws/?next=%2F", token, transport: webSocket({ WebSocket: FakeWebSocket }) });
    client.connect();
    await settled();
    const { url } = FakeWebSocket.last;
    expect(new URL(url).searchParams.get("token")).toBe(token);
    expect(new URL(url).searchParams.get("cg")).toBe("1");
    client.disconnect();
  });
});

describe("time", () => {
  it("that is set back by an hour keeps nobody waiting for an hour", async () => {
    const { client, clock, sockets, opened } = rig({ heartbeat: {} });
    const socket = await opened();
    clock.back += 3_600_000;
    await clock.pass(30_000);
    expect(socket.pings).toBe(1);
    socket.frame({ type: "x" });
    socket.end(1006);
    await clock.pass(5_000);
    expect(sockets).toHaveLength(2);
    sockets[1]?.end(1006);
    clock.back += 3_600_000;
    await clock.pass(10_000);
    expect(sockets.length).toBeGreaterThan(2);
    client.disconnect();
  });

  it("in which timers are throttled for hours ends in a connection that is asked, not judged", async () => {
    const { client, clock, lifecycle, opened } = rig({ heartbeat: {} });
    const socket = await opened();
    lifecycle.tell("hidden");
    clock.sleep(4 * 3_600_000);
    await clock.pass(0);
    expect(client.snapshot().status).toBe("open");
    expect(socket.pings).toBeGreaterThan(0);
    lifecycle.tell("visible");
    expect(client.snapshot().status).toBe("open");
    socket.frame("pong");
    await clock.pass(6_000);
    expect(client.snapshot()).toMatchObject({ status: "open", drops: 0 });
  });
});

describe("10,000", () => {
  it("rooms that are wanted and released leave nothing, in little time", async () => {
    const { client, clock, opened } = rig();
    const socket = await opened();
    const begin = performance.now();
    const stops = Array.from({ length: 10_000 }, (_, n) => client.want("room", `${n}`));
    for (const stop of stops) stop();
    await clock.pass(10);
    expect(performance.now() - begin).toBeLessThan(20_000);
    expect(socket.sent).toHaveLength(20_000);
    socket.sent.length = 0;
    socket.end(1012);
    await clock.pass(5_000);
    client.disconnect();
    expect(clock.timers).toBe(0);
  });

  it("users that come and go leave one connection and no timers", async () => {
    const { client, clock, sockets } = rig();
    for (let n = 0; n < 10_000; n += 1) client.acquire()();
    const keep = client.acquire();
    await clock.pass(100);
    expect(sockets).toHaveLength(1);
    keep();
    await clock.pass(100);
    expect(clock.timers).toBe(0);
  });
});
