// The driver with a clock and a transport of the test: what applications see.

import { describe, expect, it } from "vitest";

import { rig, settled } from "./support.js";

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
