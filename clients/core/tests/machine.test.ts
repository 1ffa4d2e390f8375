// The rules of the connection, one by one: each row of the tables of numbers and of close codes.

import { describe, expect, it } from "vitest";

import { closeCodes } from "../src/closecodes.js";
import type { Verdict } from "../src/types.js";
import { BEGIN, Machine } from "./machine.js";

describe("back-off", () => {
  it("waits at random up to 1 s, 2 s, 4 s … 30 s, without an end", () => {
    const machine = new Machine();
    machine.random = 1;
    const waits = Array.from({ length: 9 }, () => machine.refused().wait);
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    machine.random = 0.25;
    expect(machine.refused().wait).toBe(7_500);
    expect(machine.view).toMatchObject({ status: "reconnecting", attempt: 10 });
  });

  it("never makes two attempts within 250 ms", () => {
    const machine = new Machine();
    machine.random = 0;
    expect(machine.refused().wait).toBe(250);
    machine.pass(249);
    expect(machine.done).toEqual([]);
    expect(machine.pass(1).done).toEqual(["ask"]);
    machine.input("reconnect");
    expect([machine.wait, machine.done]).toEqual([250, ["drop"]]);
    machine.input("disconnect").input("connect");
    expect(machine.wait).toBe(250);
    machine.pass(1_000);
    expect(machine.input("reconnect").done).toEqual(["drop", "ask"]);
  });

  it("takes base, cap, and a strategy of the application's own", () => {
    const machine = new Machine({ backoff: { base: 100, cap: 300 } });
    machine.random = 1;
    expect(Array.from({ length: 4 }, () => machine.refused().wait)).toEqual([250, 250, 300, 300]);
    const own = new Machine({ backoff: { strategy: (n) => 1_000 + n } });
    expect(Array.from({ length: 3 }, () => own.refused().wait)).toEqual([1_000, 1_001, 1_002]);
  });

  it("waits at least as long as the answer to a token request says", () => {
    const machine = new Machine({ token: () => null }).input("connect");
    machine.random = 0;
    expect(machine.input("closed", 0, "busy", "retry", "token", 7_000).wait).toBe(7_000);
    expect(machine.view.reason).toEqual({ kind: "token", text: "busy" });
  });

  it("begins anew after 5 s of an open connection, and not before", () => {
    const machine = new Machine().refused().refused().opened();
    machine.random = 1;
    machine.pass(4_969);
    expect(machine.view.attempt).toBe(2);
    expect(machine.closed(1006).wait).toBe(4_000);
    machine.opened().pass(4_970);
    expect(machine.view.attempt).toBe(0);
    expect(machine.closed(1006).wait).toBe(1_000);
    const slow = new Machine({ stableAfter: 60_000 }).refused().opened().pass(59_969);
    expect(slow.view.attempt).toBe(1);
    expect(slow.pass(1).view.attempt).toBe(0);
  });

  it("fails after five retries where the application says five, and then tries once a minute", () => {
    const machine = new Machine({ backoff: { attempts: 5 } });
    for (let n = 0; n < 5; n += 1) expect(machine.refused().view.status).toBe("reconnecting");
    machine.refused();
    expect([machine.view.status, machine.view.attempt, machine.wait]).toEqual(["failed", 5, 60_000]);
    // In the background: the status does not change until it is open.
    expect(machine.pass(60_000).done).toEqual(["ask"]);
    expect(machine.view.status).toBe("failed");
    machine.input("ready").closed(1006);
    expect([machine.view.status, machine.wait]).toEqual(["failed", 60_000]);
    expect(machine.opened().view.status).toBe("open");
  });

  it.each(["online", "visible", "reconnect"] as const)("leaves failed at once on %s", (what) => {
    const machine = new Machine({ backoff: { attempts: 0 } }).refused();
    expect(machine.view.status).toBe("failed");
    machine.input("hidden").pass(10_000).input(what);
    if (what === "online") machine.input("visible");
    expect(machine.pass(500).done.includes("ask") || machine.all.filter(([name]) => name === "ask").length === 2).toBe(true);
    expect(machine.opened().view.status).toBe("open");
  });

  it("gives up where the application says so", () => {
    const machine = new Machine({ backoff: { attempts: 2, giveUp: true } }).refused().refused().refused();
    expect([machine.view.status, machine.view.retryAt]).toEqual(["failed", null]);
    machine.input("online").input("hidden").pass(3_600_000).input("visible");
    expect([machine.view.status, machine.view.retryAt]).toEqual(["failed", null]);
    expect(machine.input("reconnect").done).toEqual(["drop", "ask"]);
    expect([machine.view.status, machine.view.attempt]).toEqual(["reconnecting", 0]);
  });
});

describe("open", () => {
  it("is shown 30 ms after the socket's open", () => {
    const machine = new Machine().input("connect").input("ready").input("opened", true, { node: "n", id: "i" }).pass(29);
    expect(machine.view).toMatchObject({ status: "connecting", node: "n", id: "i" });
    expect(machine.pass(1).view).toMatchObject({ status: "open", since: BEGIN + 30, recovered: null, recovery: "live", reason: null });
  });

  it("is shown with the first frame", () => {
    const machine = new Machine().input("connect").input("ready").input("opened", true).frame("x");
    expect(machine.view.status).toBe("open");
  });

  it("is never shown of a socket that is accepted and closed, and what it was given waits", () => {
    const machine = new Machine({ token: "t" });
    const message = { event: "a", data: 1, size: 1, at: BEGIN };
    machine.input("send", message).input("connect").input("ready").input("opened", true);
    expect(machine.effects).toEqual([["send", message]]);
    machine.closed(4401);
    expect(machine.view).toMatchObject({ status: "reconnecting", queued: 1, drops: 0 });
    machine.pass(250).input("ready").input("opened", true);
    expect(machine.effects).toEqual([["send", message]]);
    machine.pass(30).closed(1006);
    expect(machine.view).toMatchObject({ queued: 0, drops: 1 });
  });

  it("comes within 20 s, or not with this attempt", () => {
    const machine = new Machine().input("connect").input("ready").pass(19_999);
    expect(machine.view.status).toBe("connecting");
    machine.pass(1);
    expect(machine.view).toMatchObject({ status: "reconnecting", reason: { kind: "network", text: "no answer" } });
    const quick = new Machine({ connectTimeout: 1_000 }).input("connect").input("ready").pass(1_000);
    expect(quick.done[0]).toBe("drop");
  });
});

describe("heartbeat", () => {
  it("pings after 25 s without a frame, and not while frames come", () => {
    const machine = new Machine().greeted();
    machine.pass(20_000).frame("x").pass(24_999);
    expect(machine.done).toEqual([]);
    expect(machine.pass(1).done).toEqual(["ping"]);
    machine.pass(120).input("pong");
    expect(machine.view.latency).toBe(120);
    expect(machine.pass(24_999).done).toEqual([]);
    expect(machine.pass(1).done).toEqual(["ping"]);
  });

  it("waits 10 s for any frame; then the socket is dropped and one attempt is made at once", () => {
    const machine = new Machine().greeted().pass(25_000).pass(9_000).frame("x");
    expect(machine.view.latency).toBe(null);
    machine.pass(25_000);
    expect(machine.done).toEqual(["ping"]);
    machine.pass(9_999);
    expect(machine.view.status).toBe("open");
    expect(machine.pass(1).done).toEqual(["drop", "ask"]);
    expect(machine.view).toMatchObject({ status: "reconnecting", attempt: 0, drops: 1, reason: { kind: "heartbeat" } });
    machine.input("ready").closed(1006);
    expect(machine.wait).toBe(500);
  });

  it("asks again instead of judging when the timer was late", () => {
    const machine = new Machine().greeted().pass(25_000);
    expect(machine.done).toEqual(["ping"]);
    expect(machine.sleep(25_000).done).toEqual(["ping"]);
    expect(machine.view.status).toBe("open");
    expect(machine.pass(10_000).done).toEqual(["drop", "ask"]);
  });

  it("is off until the server has greeted, unless the application asks for it, and where it says so", () => {
    expect(new Machine().opened().pass(600_000).done).toEqual([]);
    expect(new Machine({ heartbeat: false }).greeted().pass(600_000).done).toEqual([]);
    expect(new Machine({ heartbeat: { interval: 5_000, timeout: 1_000 } }).opened().pass(6_000).done).toEqual(["ping", "drop", "ask"]);
    // The transport has its own, and looks at it.
    expect(new Machine().opened(false).pass(600_000).done).toEqual(["ping"]);
    expect(new Machine().opened().frame("hello", { text: "of the application" }).pass(600_000).done).toEqual([]);
    // The node's is the first frame.
    const late = new Machine().opened().frame("chat").frame("hello", { node: "a", id: "1", v: 1 });
    expect([late.view.node, late.pass(600_000).done]).toEqual([null, []]);
  });
});

describe("waking", () => {
  it.each([
    ["a tab that was hidden for 30 s", (machine: Machine) => machine.input("hidden").pass(30_000).input("visible"), true],
    ["a tab that was hidden for less", (machine: Machine) => machine.input("hidden").pass(29_000).input("visible"), false],
    ["the network", (machine: Machine) => machine.input("online"), true],
    ["a resumed page", (machine: Machine) => machine.input("wake"), true],
    ["the loss of the network", (machine: Machine) => machine.input("offline"), true],
  ])("asks an open connection for a sign of life within 5 s: %s", (_what, wake, asks) => {
    const machine = wake(new Machine({ heartbeat: { interval: 100_000_000, timeout: 10_000 } }).greeted());
    const pings = machine.all.filter(([name]) => name === "ping").length;
    expect(pings > 0).toBe(asks);
    if (!asks) return;
    machine.pass(4_999);
    expect(machine.view.status).toBe("open");
    machine.pass(1);
    expect(machine.view.status).not.toBe("open");
  });

  it("takes a clock that jumps by more than 30 s for sleep", () => {
    const machine = new Machine().greeted().pass(10_000).sleep(15_000 + 31_000);
    expect(machine.pass(4_999).view.status).toBe("open");
    expect(machine.pass(1).view).toMatchObject({ status: "reconnecting", reason: { kind: "heartbeat" } });
    const awake = new Machine().greeted().pass(10_000).sleep(15_000 + 29_000);
    expect(awake.pass(9_999).view.status).toBe("open");
  });

  it("lets a transport without ping look at its own heartbeat", () => {
    const machine = new Machine().opened(false).input("online");
    expect(machine.done).toEqual(["ping"]);
    expect(machine.pass(60_000).view.status).toBe("open");
  });

  it.each(["online", "wake", "visible"] as const)("makes a waiting client try within 500 ms: %s", (what) => {
    const machine = new Machine();
    machine.random = 1;
    for (let n = 0; n < 6; n += 1) machine.refused();
    expect(machine.wait).toBe(30_000);
    machine.pass(10_000).input(what);
    expect(machine.wait).toBe(500);
  });

  it("does not put an attempt off", () => {
    const machine = new Machine().refused();
    machine.random = 1;
    expect(machine.pass(400).input("online").wait).toBe(100);
  });
});

describe("a hidden tab", () => {
  it("stays connected, and retries a lost connection at most once a minute until it is visible", () => {
    const machine = new Machine().greeted().input("hidden").pass(3_600_000 - 1);
    expect(machine.view.status).not.toBe("closed");
    const hidden = new Machine().opened().pass(10_000).input("hidden").closed(1006);
    expect(hidden.wait).toBe(60_000 - 10_030);
    hidden.pass(hidden.wait ?? 0).input("ready").closed(1006);
    expect(hidden.wait).toBe(60_000);
    expect(hidden.input("online").wait).toBe(60_000);
    hidden.pass(10_000).input("visible");
    expect(hidden.wait).toBe(250);
  });

  it("is known from the beginning", () => {
    const machine = new Machine();
    expect(machine.input("hidden").refused().wait).toBe(60_000);
  });
});

describe("a page that is put aside", () => {
  it("closes its socket, and connects when it is taken back, and says what it missed", () => {
    const machine = new Machine().opened().frame("x").pass(1_000);
    expect(machine.input("away").done).toEqual(["drop"]);
    expect([machine.view.status, deadlineless(machine)]).toEqual(["reconnecting", true]);
    machine.pass(3_600_000).input("back");
    expect(machine.done).toEqual(["drop", "ask"]);
    machine.opened();
    expect(machine.view.missed).toMatchObject({ reason: "resumed-from-cache", since: BEGIN + 30 });
    // It is said once, and not of the next connection.
    machine.input("fresh").closed(1006).pass(machine.wait ?? 0).opened();
    expect(machine.view.missed).toMatchObject({ reason: "reconnected" });
  });

  it("says so after failed attempts, too", () => {
    const machine = new Machine().opened().input("away").input("back").input("ready").closed(1006);
    machine.pass(machine.wait ?? 0).opened();
    expect(machine.view.missed).toMatchObject({ reason: "resumed-from-cache" });
  });

  it("hides no other reason", () => {
    const machine = new Machine().opened().frame("gap", { reason: "slow_client", groups: null }).input("away").input("back").opened();
    expect(machine.view.missed).toMatchObject({ reason: "gap", detail: "slow_client" });
  });

  it("stays closed if it was", () => {
    const machine = new Machine().opened().input("disconnect").input("away").input("back");
    expect([machine.view.status, machine.done]).toEqual(["closed", []]);
  });
});

const deadlineless = (machine: Machine): boolean => Object.values(machine.state.at).every((at) => at === Infinity);

describe("offline", () => {
  it("is the status only when the connection is closed", () => {
    const machine = new Machine().greeted().input("offline");
    expect(machine.view).toMatchObject({ status: "open", online: false });
    machine.input("pong").closed(1006);
    expect(machine.view).toMatchObject({ status: "offline", online: false });
    expect(machine.wait).toBe(500);
    machine.input("online");
    expect(machine.view).toMatchObject({ status: "reconnecting", online: true });
  });
});

describe("tokens", () => {
  it("may take 10 s", () => {
    const machine = new Machine({ token: "t" }).input("connect").pass(9_999);
    expect(machine.view.status).toBe("connecting");
    expect(machine.pass(1).done).toContain("drop");
    expect(machine.view).toMatchObject({ status: "reconnecting", reason: { kind: "token", text: "no answer" } });
  });

  it("stop the client where there is none", () => {
    const machine = new Machine({ token: "t" }).input("connect").input("closed", 0, "no token", "unauthorized", "token");
    expect(machine.view).toMatchObject({ status: "unauthorized", retryAt: null, reason: { kind: "token", text: "no token" } });
    expect(deadlineless(machine)).toBe(true);
    expect(machine.input("online").input("hidden").pass(3_600_000).input("visible").view.status).toBe("unauthorized");
  });

  it.each(["token", "reconnect", "storage", "connect"] as const)("leave unauthorized on %s", (what) => {
    const machine = new Machine({ token: "t" }).input("connect").input("closed", 0, "", "unauthorized", "token").pass(10_000);
    expect(machine.input(what).done).toEqual(["drop", "ask"]);
  });

  it("are asked for at most every 2 s by other tabs, and the status stays until there is one", () => {
    const machine = new Machine({ token: "t" }).input("connect").input("closed", 0, "", "unauthorized", "token");
    machine.input("storage");
    expect([machine.view.status, machine.wait]).toEqual(["unauthorized", 2_000]);
    machine.pass(2_000).input("storage").input("storage");
    expect(machine.view.status).toBe("unauthorized");
    expect(machine.all.filter(([name]) => name === "ask")).toHaveLength(2);
    expect(machine.opened().view.status).toBe("open");
    expect(machine.input("storage").done).toEqual([]);
  });

  it("say why they are asked for", () => {
    const machine = new Machine({ token: "t" }).input("connect");
    const why = () => machine.last("ask")?.[1];
    expect(why()).toBe("first");
    machine.input("ready").closed(1006).pass(1_000);
    expect(why()).toBe("refused");
    machine.opened().closed(1006).pass(2_000);
    expect(why()).toBe("retry");
    machine.opened().closed(4401).pass(250);
    expect(why()).toBe("expired");
  });
});

describe("a connection that never opened", () => {
  it("says after three in a row what to look at, and not sooner", () => {
    const machine = new Machine().refused().refused();
    expect(machine.view.reason).toEqual({ kind: "network", code: 1006, text: "" });
    machine.refused();
    expect(machine.view).toMatchObject({ status: "reconnecting", reason: { kind: "refused", code: 1006 } });
    expect(machine.view.reason?.text).toContain("check url, token, origins");
    machine.opened().closed(1006).refused();
    expect(machine.view.reason?.kind).toBe("network");
  });
});

/** Status, and the wait for a random number of 1. */
const outcomes: Record<Verdict, readonly [string, number | null]> = {
  closed: ["closed", null],
  retry: ["reconnecting", 1_000],
  "retry-later": ["reconnecting", 6_000],
  "retry-soon": ["reconnecting", 2_000],
  failed: ["failed", null],
  expired: ["reconnecting", null],
  unauthorized: ["unauthorized", null],
};

describe("close codes", () => {
  const after = (code: number, machine = new Machine()): Machine => {
    machine.opened().pass(10_000);
    machine.random = 1;
    return machine.closed(code, "why");
  };

  it.each(Object.entries(closeCodes).flatMap(([verdict, codes]) => codes.map((code) => [code, verdict as Verdict] as const)))("%i: %s", (code, verdict) => {
    const machine = after(code);
    expect([machine.view.status, machine.wait]).toEqual(outcomes[verdict]);
    expect(machine.view.reason).toEqual({ kind: code === 1006 ? "network" : "closed", code, text: "why" });
    expect(machine.view.drops).toBe(1);
  });

  it.each([1002, 1003, 1007, 1008, 1009, 1010])("%i: failed", (code) => {
    expect(after(code).view).toMatchObject({ status: "failed", retryAt: null });
  });

  it("has the table of the contract", () => {
    expect(closeCodes).toEqual({
      closed: [1000],
      retry: [1001, 1005, 1006, 1014, 1015, 4408],
      "retry-later": [1011, 1013],
      "retry-soon": [1012],
      failed: [4000, 4004, 4404],
      expired: [4001, 4003, 4401],
      unauthorized: [4403],
    });
  });

  it("lets the application override any row, and a transport know better than the table", () => {
    const options = { closeCodes: { 1000: "retry", 4999: "unauthorized" } } as const;
    expect(after(1000, new Machine(options)).view.status).toBe("reconnecting");
    expect(after(4999, new Machine(options)).view.status).toBe("unauthorized");
    expect(new Machine().opened().closed(1006, "", "failed").view.status).toBe("failed");
    expect(new Machine({ closeCodes: { 1006: "closed" } }).opened().closed(1006, "", "failed").view.status).toBe("closed");
  });

  it("retries three times after a code that it does not know, and then fails", () => {
    const machine = new Machine();
    for (let n = 0; n < 3; n += 1) expect(machine.opened().closed(4999).view.status).toBe("reconnecting");
    expect(machine.opened().closed(3000).view).toMatchObject({ status: "failed", retryAt: null });
    expect(new Machine().opened().closed(2999).view.status).toBe("failed");
    const stable = new Machine();
    for (let n = 0; n < 5; n += 1) expect(stable.opened().pass(5_000).closed(4999).view.status).toBe("reconnecting");
  });

  it("1012: soon, spread over 2 s, and n stays", () => {
    const machine = new Machine().refused().opened();
    machine.random = 0.25;
    machine.closed(1012);
    expect([machine.wait, machine.view.attempt]).toEqual([500, 1]);
    const limited = new Machine({ backoff: { attempts: 0 } }).opened().closed(1012);
    expect(limited.view.status).toBe("reconnecting");
  });

  it("1013: something is missed as well", () => {
    const machine = after(1013);
    expect(machine.view).toMatchObject({ recovery: "missed", missed: { reason: "gap", detail: "why", groups: null } });
    expect(new Machine().refused(1013).view.missed).toBe(null);
  });

  it("1009: the message that did it is not sent again", () => {
    const machine = new Machine().opened();
    machine.input("send", { event: "large", data: "", size: 9, at: machine.now }).closed(1009);
    expect(machine.view).toMatchObject({ status: "failed", queued: 0 });
    machine.input("reconnect").opened();
    expect(machine.all.filter(([name]) => name === "send")).toHaveLength(1);
  });

  it.each([4401, 4001, 4003])("%i: one fresh token at once, and within 10 s again: unauthorized", (code) => {
    const machine = new Machine({ token: "t" }).opened().pass(60_000).closed(code);
    expect(machine.view.status).toBe("reconnecting");
    expect(machine.last("ask")).toEqual(["ask", "expired"]);
    machine.opened().pass(9_969).closed(code);
    expect(machine.view.status).toBe("unauthorized");
    const late = new Machine({ token: "t" }).opened().pass(60_000).closed(code).opened().pass(9_970).closed(code);
    expect(late.view.status).toBe("reconnecting");
    // However long it took: the fresh token was refused as well.
    const slow = new Machine({ token: "t" }).opened().pass(60_000).closed(code).pass(9_000).input("ready").pass(15_000).closed(code);
    expect(slow.view.status).toBe("unauthorized");
  });
});

describe("recovery", () => {
  it("is live after the first open, and missed when it is opened again, since the last frame", () => {
    const machine = new Machine().opened();
    expect(machine.view).toMatchObject({ recovery: "live", missed: null, recovered: null });
    machine.pass(1_000).frame("x");
    const last = machine.now;
    machine.pass(5_000).closed(1006);
    expect(machine.view).toMatchObject({ recovery: "live", missed: null });
    machine.opened();
    expect(machine.view).toMatchObject({ recovery: "recovering", recovered: false });
    expect(machine.view.missed).toEqual({ reason: "reconnected", groups: null, since: last, until: machine.now });
    expect(machine.last("recover")).toEqual(["recover", machine.view.missed]);
  });

  it("is live when all handlers have succeeded; missed, and again with back-off, when one has failed", () => {
    const machine = new Machine().opened().closed(1006).opened();
    machine.random = 1;
    machine.input("ran", false);
    expect(machine.view.recovery).toBe("missed");
    machine.pass(1_999);
    expect(machine.done).toEqual([]);
    expect(machine.pass(1).done).toEqual(["recover"]);
    machine.input("ran", false).pass(2_999);
    expect(machine.done).not.toContain("recover");
    expect(machine.pass(1).done).toContain("recover");
    expect(machine.input("ran", true).view).toMatchObject({ recovery: "live", missed: null });
  });

  it("stays missed without a handler, until what is shown is loaded anew, or a handler comes", () => {
    const machine = new Machine().opened().closed(1006).opened().input("ran", null);
    expect(machine.view.recovery).toBe("missed");
    expect(machine.pass(600_000).done).not.toContain("recover");
    expect(machine.input("ran", false).pass(2_000).done).toEqual(["recover"]);
    expect(machine.input("fresh").view).toMatchObject({ recovery: "live", missed: null });
    expect(machine.done).toEqual(["abort"]);
  });

  it("starts handlers at random within 2 s when everybody misses the same: a gap, 1012", () => {
    const machine = new Machine().opened();
    machine.random = 0.75;
    machine.frame("gap", { reason: "overflow", groups: ["order_7"] });
    expect(machine.view).toMatchObject({ recovery: "missed", missed: { reason: "gap", detail: "overflow", groups: ["order_7"] } });
    expect(machine.pass(1_499).done).toEqual([]);
    expect(machine.pass(1).done).toEqual(["recover"]);
    const drained = new Machine().opened().closed(1012);
    drained.random = 0.75;
    drained.opened();
    expect(drained.view.recovery).toBe("missed");
    expect(drained.pass(1_500).done).toContain("recover");
  });

  it("aborts the handlers at a second miss, and both are one", () => {
    const machine = new Machine().opened().frame("gap", { reason: "a", groups: ["x"] });
    const since = machine.view.missed?.since;
    machine.pass(2_000);
    expect(machine.view.recovery).toBe("recovering");
    machine.frame("gap", { reason: "b", groups: ["x", "y"] });
    expect(machine.done).toEqual(["abort"]);
    expect(machine.view.missed).toEqual({ reason: "gap", detail: "b", groups: ["x", "y"], since, until: machine.now });
    machine.closed(1006).opened();
    expect(machine.view.missed).toMatchObject({ reason: "gap", groups: null, since });
  });

  it("does not start handlers without a connection", () => {
    const machine = new Machine().opened().frame("gap", { reason: "a" }).closed(1006);
    machine.random = 1;
    machine.refused();
    expect(machine.all.map(([name]) => name)).not.toContain("recover");
    expect(machine.opened().all.map(([name]) => name)).toContain("recover");
  });

  it("takes the transport's word that the server replays everything (N6)", () => {
    const machine = new Machine().opened().closed(1006).pass(500).input("ready");
    machine.input("opened", true, { node: null, id: null, recovered: true }).pass(30);
    expect(machine.view).toMatchObject({ status: "open", recovery: "live", missed: null, recovered: true });
    machine.closed(1006).opened();
    expect(machine.view).toMatchObject({ recovery: "recovering", recovered: false });
  });
});

describe("the outbox", () => {
  const message = (machine: Machine, event: string, size = 10) => ({ event, data: null, size, at: machine.now });
  const sent = (machine: Machine) => machine.all.flatMap((effect) => (effect[0] === "send" ? [effect[1].event] : []));

  it("keeps 100 messages, the newest, and counts the others", () => {
    const machine = new Machine();
    for (let n = 0; n < 103; n += 1) machine.input("send", message(machine, `${n}`));
    expect(machine.view).toMatchObject({ queued: 100, recovery: "missed", missed: { reason: "outbox", detail: "3 messages were not sent", groups: null } });
    machine.opened();
    expect(sent(machine)).toEqual(Array.from({ length: 100 }, (_, n) => `${n + 3}`));
    expect(machine.view).toMatchObject({ queued: 0, recovery: "recovering", missed: { reason: "outbox" } });
  });

  it("keeps 256 KiB", () => {
    const machine = new Machine();
    for (const name of ["a", "b", "c"]) machine.input("send", message(machine, name, 128 * 1024));
    expect(machine.view.queued).toBe(2);
    machine.input("send", message(machine, "d", 256 * 1024 + 1));
    expect(machine.view).toMatchObject({ queued: 0, missed: { detail: "4 messages were not sent" } });
  });

  it("keeps them for 30 s", () => {
    const machine = new Machine().refused();
    machine.input("send", message(machine, "old")).pass(20_000);
    machine.input("send", message(machine, "young")).pass(9_999);
    expect(machine.view.queued).toBe(2);
    // It is found with the next message or attempt.
    machine.pass(1).input("send", message(machine, "third"));
    expect(machine.view).toMatchObject({ queued: 2, missed: { reason: "outbox", detail: "1 messages were not sent" } });
    machine.pass(19_999).input("disconnect").pass(20_000).input("connect");
    expect(machine.view).toMatchObject({ queued: 0, missed: { detail: "3 messages were not sent" } });
    machine.input("send", message(machine, "last")).input("ready").pass(19_999);
    machine.now += 30_000;
    machine.input("opened", true);
    expect([sent(machine), machine.view.queued]).toEqual([[], 0]);
  });

  it("logs losses once in 10 s", () => {
    const machine = new Machine({ outbox: { messages: 1 } });
    const lose = () => machine.input("send", message(machine, "x")).effects;
    lose();
    expect(lose()).toEqual([["lost", "1 messages were not sent"]]);
    expect(lose()).toEqual([]);
    machine.pass(10_000);
    expect(lose()).toEqual([["lost", "3 messages were not sent"]]);
  });

  it("keeps what a closing connection does not take", () => {
    const machine = new Machine().opened();
    machine.input("unsent", message(machine, "x")).closed(1006).opened();
    expect(sent(machine)).toEqual(["x"]);
  });
});

describe("interest", () => {
  const told = (machine: Machine) => machine.effects.flatMap((effect) => (effect[0] === "tell" ? [[effect[1].name, effect[2]]] : []));

  it("is sent as a whole on every open, in the order of first asking, before the outbox", () => {
    const machine = new Machine().input("want", "room", "b", 1).input("want", "topic", "a", 1).input("want", "room", "b", 1);
    machine.input("send", { event: "x", data: null, size: 1, at: machine.now });
    machine.input("connect").input("ready").input("opened", true);
    expect(told(machine)).toEqual([["b", true], ["a", true]]);
    expect(machine.done).toEqual(["tell", "tell", "send"]);
    machine.pass(30).closed(1006).opened();
    expect(machine.all.filter(([name]) => name === "tell")).toHaveLength(4);
  });

  it("asks the server when the first wants it, and takes it back when the last does not", () => {
    const machine = new Machine({ linger: 100 }).opened();
    expect(told(machine.input("want", "room", "a", 1))).toEqual([["a", true]]);
    expect(told(machine.input("want", "room", "a", 1))).toEqual([]);
    machine.input("want", "room", "a", -1).pass(1_000).input("want", "room", "a", -1).pass(99);
    expect(told(machine)).toEqual([]);
    expect(told(machine.pass(1))).toEqual([["a", false]]);
    expect(told(machine.input("want", "room", "a", 1))).toEqual([["a", true]]);
    machine.input("want", "room", "a", -1).pass(50).input("want", "room", "a", 1);
    expect(told(machine.pass(1_000))).toEqual([]);
    // Opened while it lingers, and wanted again.
    machine.input("want", "room", "a", -1).closed(1006).input("reconnect").pass(0).input("ready");
    expect(told(machine.input("opened", true))).toEqual([["a", true]]);
    expect(told(machine.input("want", "room", "a", 1).pass(1_000))).toEqual([]);
  });
});

describe("users", () => {
  it("open it with the first, and close it with the last, after `linger`", () => {
    const machine = new Machine({ linger: 500 }).input("acquire", 1).input("acquire", 1).opened();
    machine.input("acquire", -1).pass(1_000);
    expect(machine.view.status).toBe("open");
    machine.input("acquire", -1).pass(499).input("acquire", 1).pass(1_000);
    expect(machine.view.status).toBe("open");
    expect(machine.input("acquire", -1).pass(500).done).toEqual(["drop"]);
    expect(machine.view.status).toBe("closed");
    expect(machine.input("acquire", 1).done).toEqual(["drop", "ask"]);
  });

  it("do not matter to a client that was connected without them", () => {
    const machine = new Machine().opened().input("want", "room", "a", 1).input("want", "room", "a", -1).pass(1_000);
    expect(machine.view.status).toBe("open");
  });
});

describe("the snapshot", () => {
  it("is the same object until something changes, and frozen", () => {
    const machine = new Machine().greeted();
    const { view } = machine;
    expect(Object.isFrozen(view)).toBe(true);
    machine.pass(1_000).frame("x").pass(10_000);
    expect(machine.view).toBe(view);
    machine.input("offline");
    expect(machine.view).not.toBe(view);
    expect(machine.view.since).toBe(view.since);
  });

  it("has the reason of a reconnect() until it is open", () => {
    const machine = new Machine().opened().pass(1_000).input("reconnect", "another user");
    expect(machine.view).toMatchObject({ status: "reconnecting", reason: { kind: "closed", text: "another user" } });
    expect(machine.opened().view.reason).toBe(null);
  });
});
