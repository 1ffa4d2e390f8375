// The client that applications test with.

import { readFileSync } from "node:fs";

import { describe, expect, expectTypeOf, it, vi } from "vitest";

import { Disconnected, TimedOut, typed, Unauthorized } from "@channelgate/client";
import { createTestClient } from "@channelgate/client/testing";

interface Orders {
  "order.paid": { id: number };
  closed: undefined;
}

const settled = () => new Promise((resolve) => void setTimeout(resolve, 0));

describe("createTestClient", () => {
  it("is idle, connects as a client does, and is open when the test says so", () => {
    const client = createTestClient();
    const statuses: string[] = [];
    client.subscribe(() => statuses.push(client.snapshot().status));
    expect([client.snapshot().status, client.connections]).toEqual(["idle", 0]);
    const release = client.acquire();
    client.acquire();
    expect([client.snapshot().status, client.connections]).toEqual(["connecting", 1]);
    client.open();
    expect([client.snapshot().status, client.snapshot().recovery, client.connections]).toEqual(["open", "live", 1]);
    expect(new Set(statuses)).toEqual(new Set(["connecting", "open"]));
    release();
  });

  it("connects by open() alone", () => {
    const client = createTestClient();
    client.open();
    expect(client.snapshot().status).toBe("open");
    expect(() => client.open()).toThrow("open already");
  });

  it("hands events to handlers, with their types", () => {
    const client = createTestClient<Orders>();
    const paid = vi.fn();
    const all = vi.fn();
    client.on("order.paid", paid);
    client.on("*", all);
    client.open();
    client.receive("order.paid", { id: 7 });
    client.receive("closed");
    expect(paid.mock.calls).toEqual([[{ id: 7 }, { event: "order.paid", frame: { event: "order.paid", data: { id: 7 } }, at: client.now() }]]);
    expect(all).toHaveBeenCalledTimes(2);
    expectTypeOf(client.receive<"order.paid">).parameters.toEqualTypeOf<["order.paid", { id: number }]>();
    // @ts-expect-error no such event
    expectTypeOf(client.receive<"order.lost">).returns.toBeVoid();
  });

  it("keeps what was sent, and rooms before what waited", () => {
    const client = createTestClient();
    expect(client.send("early", 1)).toBe("queued");
    const leave = client.want("room", "7");
    client.want("topic", "news");
    client.open();
    expect(client.send("late")).toBe("sent");
    leave();
    client.advance(0);
    expect(client.sent).toEqual([
      { event: "join", data: "7" },
      { event: "subscribe", data: "news" },
      { event: "early", data: 1 },
      { event: "late", data: undefined },
      { event: "leave", data: "7" },
    ]);
  });

  it("reads and writes by the dialect of the application", () => {
    const client = createTestClient({ dialect: typed });
    const seen = vi.fn();
    client.on("order.paid", seen);
    client.open();
    client.send("order.cancel", { id: 7 });
    expect(client.sent).toEqual([{ type: "order.cancel", id: 7 }]);
    client.frame({ type: "order.paid", id: 7 });
    client.receive("order.paid", { id: 8 });
    expect(seen.mock.calls.map(([data]) => data as unknown)).toEqual([{ type: "order.paid", id: 7 }, { id: 8 }]);
  });

  it("loses the connection, waits, and says that something may be missing when it is back", async () => {
    const client = createTestClient({ random: 0.5 });
    const missed = vi.fn();
    client.open();
    client.advance(10_000);
    client.onMissed(missed);
    client.drop();
    expect(client.snapshot()).toMatchObject({ status: "reconnecting", reason: { kind: "network", code: 1006 }, retryAt: client.now() + 500 });
    client.advance(499);
    expect(client.connections).toBe(1);
    client.advance(1);
    expect([client.snapshot().status, client.connections]).toEqual(["reconnecting", 2]);
    client.open();
    expect(client.snapshot()).toMatchObject({ status: "open", recovery: "recovering", missed: { reason: "reconnected" } });
    await settled();
    expect(missed).toHaveBeenCalledTimes(1);
    expect(client.snapshot().recovery).toBe("live");
  });

  it("opens again without waiting, if the test does not care", () => {
    const client = createTestClient({ random: 0.9 });
    client.open();
    for (const code of [1006, 1012, 1011]) {
      client.drop(code);
      client.open();
    }
    expect([client.snapshot().status, client.snapshot().drops, client.connections]).toEqual(["open", 3, 4]);
  });

  it("says that events were lost, and which groups it concerns", async () => {
    const client = createTestClient();
    client.open();
    client.gap("slow", ["order_7"]);
    await settled();
    expect(client.snapshot()).toMatchObject({ status: "open", recovery: "missed", missed: { reason: "gap", detail: "slow", groups: ["order_7"] } });
    client.fresh();
    expect(client.snapshot().recovery).toBe("live");
    let load: () => void = () => undefined;
    client.onMissed(() => new Promise<void>((resolve) => (load = resolve)));
    client.gap();
    expect(client.snapshot().recovery).toBe("recovering");
    load();
    await settled();
    expect(client.snapshot().recovery).toBe("live");
  });

  it("is refused with a close code, and comes back by open()", () => {
    const client = createTestClient();
    client.connect();
    client.drop(4403, "not yours");
    expect(client.snapshot()).toMatchObject({ status: "unauthorized", reason: { code: 4403, text: "not yours" } });
    client.open();
    client.drop(4404);
    expect(client.snapshot().status).toBe("failed");
    client.open();
    client.drop(1006, "", "unauthorized");
    expect(client.snapshot().status).toBe("unauthorized");
  });

  it("asks the application's token function, and opens when it has answered", async () => {
    const token = vi.fn(() => Promise.resolve("t"));
    const client = createTestClient({ token });
    client.open();
    expect(client.snapshot().status).toBe("connecting");
    await settled();
    expect(client.snapshot().status).toBe("open");
    token.mockRejectedValue(new Unauthorized("signed out"));
    client.drop(4401);
    client.advance(250);
    await settled();
    expect(client.snapshot()).toMatchObject({ status: "unauthorized", reason: { kind: "token" } });
    expect(token).toHaveBeenCalledTimes(2);
  });

  it("answers requests, or lets them run out of time", async () => {
    const client = createTestClient();
    await expect(client.request("save", 1)).rejects.toBeInstanceOf(Disconnected);
    client.open();
    client.answer("save", (data) => ({ saved: data }));
    await expect(client.request("save", 1)).resolves.toEqual({ saved: 1 });
    client.answer("fail", () => Promise.reject(new Error("full")));
    await expect(client.request("fail")).rejects.toThrow("full");
    const unanswered = expect(client.request("silent", 1, { timeout: 1_000 })).rejects.toBeInstanceOf(TimedOut);
    client.advance(1_000);
    await unanswered;
    const lost = expect(client.request("silent")).rejects.toBeInstanceOf(Disconnected);
    client.drop();
    await lost;
    expect(client.sent).toContainEqual({ event: "silent", data: 1 });
  });

  it("knows what happens to the page", () => {
    const client = createTestClient();
    client.open();
    expect(client.snapshot().online).toBe(true);
    client.page("offline");
    expect(client.snapshot()).toMatchObject({ status: "open", online: false });
    client.drop();
    expect(client.snapshot().status).toBe("offline");
    client.page("online");
    client.advance(250);
    client.open();
    client.page("hidden");
    client.drop();
    client.advance(59_000);
    expect(client.connections).toBe(2);
    client.page("visible");
    expect(client.connections).toBe(3);
  });

  it("closes soon after the last user has gone, without a turn of the clock", async () => {
    const client = createTestClient();
    const release = client.acquire();
    client.open();
    release();
    const again = client.acquire();
    await settled();
    expect(client.snapshot().status).toBe("open");
    again();
    await settled();
    expect([client.snapshot().status, client.connections]).toEqual(["closed", 1]);
  });

  it("says what to do if there is no connection", () => {
    const client = createTestClient();
    expect(() => client.receive("x")).toThrow("call open() first. The status is idle.");
    expect(() => client.drop()).toThrow("call open() first");
  });
});

it("the example of the manual is a test of its own, word for word", () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
  const [, example] = /```tsx\n(.*?)```/s.exec(read("../../../docs/clients/testing.md")) ?? [];
  expect(read("../../react/tests/test-client.test.tsx")).toContain(example);
});
