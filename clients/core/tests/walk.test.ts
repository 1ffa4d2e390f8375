// A random walk: 100,000 inputs in any order that a driver can give them, and what must be true after each one.

import { expect, it } from "vitest";

import { deadline } from "../src/machine.js";
import type { Input } from "../src/state.js";
import type { Verdict } from "../src/types.js";
import { Machine } from "./machine.js";

const STEPS = 100_000;
const ROOMS = ["a", "b", "c", "d"];
const CODES = [1000, 1001, 1006, 1006, 1006, 1008, 1011, 1012, 1013, 4401, 4403, 4404, 4408, 4999];

/** `expect` is too slow to be called a million times. */
function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Numbers from 0 to 1 that are the same in each run. */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

it("never has two sockets, loses no interest, hurries not, and sends or counts every message", () => {
  const chance = chances(17);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(chance() * from.length)] as T;
  const machine = new Machine({ token: "t", backoff: { attempts: 6 }, linger: 200, outbox: { messages: 5, bytes: 200, age: 20_000 } });

  /** What the driver and the server would have. */
  let asking = false;
  let socket: "opening" | "open" | null = null;
  let lastAsk = -Infinity;
  let rooms = new Set<string>();
  const users = new Map<string, number>(ROOMS.map((room) => [room, 0]));
  let acquired = 0;
  let accepted = 0;
  let counted = 0;
  let running = false;
  /** Sent to the connection of now, and sent on one that has been shown. */
  let written: number[] = [];
  const delivered = new Set<number>();
  const seen = new Map<string, number>();

  const observe = () => {
    for (const effect of machine.effects) {
      switch (effect[0]) {
        case "ask":
          must(!asking && !socket, "two attempts at once");
          must(machine.now - lastAsk >= 250, "too soon");
          lastAsk = machine.now;
          asking = true;
          break;
        case "drop":
          asking = false;
          socket = null;
          break;
        case "send":
          must(socket === "open", "sent to nothing");
          written.push(effect[1].data as number);
          break;
        case "tell":
          must(socket === "open", "told to nothing");
          if (effect[2]) rooms.add(effect[1].name);
          else rooms.delete(effect[1].name);
          break;
        case "recover":
          must(!running && machine.state.shown, "handlers run twice, or without a connection");
          running = true;
          break;
        case "abort":
          running = false;
          break;
      }
    }
  };
  const give = (...input: Input) => {
    const { lost } = machine.state;
    if (input[0] === "ready") {
      must(asking && !socket, "two sockets");
      asking = false;
      socket = "opening";
      rooms = new Set();
      written = [];
    }
    if (input[0] === "opened") socket = "open";
    if (input[0] === "ran") running = false;
    machine.input(...input);
    counted += Math.max(0, machine.state.lost - (input[0] === "fresh" || input[0] === "ran" ? machine.state.lost : lost));
    observe();
    if (machine.state.shown) {
      for (const id of written) {
        must(!delivered.has(id), "sent twice");
        delivered.add(id);
      }
      written = [];
    }
  };

  for (let n = 0; n < STEPS; n += 1) {
    machine.random = chance();
    const inputs: (() => void)[] = [
      () => give("tick"),
      () => give("tick"),
      () => {
        accepted += 1;
        give("send", { event: "m", data: accepted, size: Math.ceil(chance() * 60), at: machine.now });
      },
      () => {
        const room = pick(ROOMS);
        users.set(room, (users.get(room) ?? 0) + 1);
        give("want", "room", room, 1);
      },
      () => {
        const room = pick(ROOMS);
        const count = users.get(room) ?? 0;
        if (count === 0) return;
        users.set(room, count - 1);
        give("want", "room", room, -1);
      },
      () => give(pick(["online", "offline", "hidden", "visible", "wake", "away", "back", "storage"] as const)),
    ];
    if (chance() < 0.1) {
      inputs.push(
        () => give(pick(["connect", "connect", "reconnect", "disconnect", "fresh", "token"] as const)),
        () => {
          acquired += 1;
          give("acquire", 1);
        },
        () => {
          if (acquired > 0) give("acquire", -1);
          acquired = Math.max(0, acquired - 1);
        },
      );
    }
    if (asking) inputs.push(() => give("ready"), () => give("ready"), () => give("closed", 0, "", pick<Verdict>(["retry", "unauthorized"]), "token"));
    if (socket === "opening") inputs.push(() => give("opened", chance() < 0.8), () => give("opened", true, { node: null, id: null, recovered: chance() < 0.5 }), () => give("closed", pick(CODES), ""));
    if (socket === "open") {
      inputs.push(
        () => give("frame", pick(["x", "gap"]), { reason: "r" }),
        () => give("frame", "hello", { node: "n", id: "1", v: 1 }),
        () => machine.state.pinged && give("pong"),
      );
      if (chance() < 0.3) inputs.push(() => give("closed", pick(CODES), ""));
    }
    if (running) inputs.push(() => give("ran", pick([true, false, null])));
    machine.now += Math.floor(pick([0, 1, 10, 100, 1_000, 30_000, 70_000]) * chance());
    pick(inputs)();

    const { state } = machine;
    seen.set(state.status, (seen.get(state.status) ?? 0) + 1);
    must(state.attempt <= 6, "attempts");
    must(delivered.size + state.queue.length + counted === accepted, "a message that is neither sent, nor waits, nor is counted");
    must((state.phase === "up") === (socket === "open"), "the phase");
    if (socket === "open") {
      must(rooms.size === state.wanted.size && [...state.wanted.values()].every(({ name }) => rooms.has(name)), "rooms that the server knows");
      for (const [room, count] of users) must(count === 0 || rooms.has(room), "a lost interest");
    }
    must((state.recovery === "live") === (state.missed === null), "missed");
    must((state.recovery === "recovering") === running, "recovering");
    must(state.phase === "off" || state.phase === "away" || state.shown || deadline(state) < Infinity, "stuck");
  }
  // It has been everywhere.
  for (const status of ["open", "reconnecting", "offline", "unauthorized", "failed", "closed"]) expect(seen.get(status), status).toBeGreaterThan(100);
}, 60_000);
