// The driver of the state machine: sockets, tokens, timers and the application's functions. Everything that happens
// becomes an input of the machine, and its effects are carried out here.

import { Disconnected, guarded } from "./errors.js";
import { always, page } from "./lifecycle.js";
import { deadline, initial, step } from "./machine.js";
import { FOREVER, REQUEST } from "./numbers.js";
import type { Queued } from "./outbox.js";
import type { Config, Effects, Input } from "./state.js";
import { Unauthorized } from "./token.js";
import type { Client, Connection, Events, Meta, Missed, Options, TokenContext } from "./types.js";
import { webSocket } from "./websocket.js";

/** Time and chance; tests have their own. */
export interface Clock {
  now(): number;
  random(): number;
  later(then: () => void, ms: number): () => void;
}

const real: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  later(then, ms) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

export function configure({ backoff, heartbeat, outbox, connectTimeout = 20_000, stableAfter = 5_000, linger = 0, closeCodes = {} }: Options): Config {
  return {
    backoff: { base: 1_000, cap: 30_000, attempts: Infinity, ...backoff },
    heartbeat: { interval: heartbeat === false ? Infinity : 25_000, timeout: 10_000, always: !!heartbeat, ...heartbeat },
    outbox: { messages: 100, bytes: 256 * 1024, age: 30_000, ...outbox },
    connectTimeout,
    stableAfter,
    linger,
    closeCodes,
  };
}

/** A client that connects when `connect()` is called, or as long as it is acquired. */
export function createClient<E = Events>(options: Options = {}, clock: Clock = real): Client<E> {
  const transport = options.transport ?? webSocket();
  const { dialect = transport.dialect, url = "/", tokenIn = transport.tokenIn } = options;
  // A server renders pages, and keeps no connection for them.
  const lifecycle = options.lifecycle ?? (globalThis.document ? page : transport.anywhere ? always : null);
  const log = options.log ?? (isDebugging() ? console.debug : null);
  const listeners = new Set<[() => void]>();
  const handlers = new Set<[name: string, handler: (data: never, meta: Meta) => void]>();
  const loaders = new Set<[(missed: Missed, signal: AbortSignal) => void | Promise<void>]>();
  let { token } = options;
  let state = initial(configure(options));
  let connection: Connection | null = null;
  let asking: AbortController | undefined;
  let loading: AbortController | undefined;
  let cancel: (() => void) | undefined;
  let line: string | undefined;
  let unwatch: (() => undefined) | undefined;

  const effects: { [K in keyof Effects]: (...effect: Effects[K]) => void } = {
    ask,
    open,
    drop() {
      asking?.abort();
      connection?.close(1000);
      connection = null;
    },
    ping: () => (connection?.ping ?? connection?.check)?.call(connection),
    send(message) {
      if (write(message.event, message.data) === false) input("unsent", message);
    },
    tell({ kind, name }, wanted) {
      const message = guarded(() => dialect.interest(kind, name, wanted));
      if (message) write(message.event, message.data);
    },
    abort: () => loading?.abort(),
    recover(missed) {
      if (!loaders.size) return input("ran", null);
      const { signal } = (loading = new AbortController());
      void Promise.allSettled([...loaders].map(async ([loader]) => loader(missed, signal))).then((results) => {
        const failed = results.find(({ status }) => status === "rejected");
        if (failed) log?.("channelgate: onMissed failed", failed);
        if (!signal.aborted) input("ran", !failed);
      });
    },
    lost: (text) => (log ?? console.warn)(`channelgate: ${text}`),
  };

  /** One step of the machine, its effects, and what follows from the new state. */
  function input(...what: Input): void {
    if (!lifecycle) return;
    const { view } = state;
    const [next, todo] = step(state, what, clock.now(), clock.random());
    state = next;
    // The page matters as long as there is, or may be again, a connection.
    const isActive = state.phase !== "off" || state.end === "unauthorized";
    if (!isActive) unwatch = unwatch?.();
    else if (!unwatch) {
      unwatch = lifecycle.watch((what) => input(what)) as () => undefined;
      [state] = step(state, ["page", lifecycle.online(), lifecycle.hidden()], state.now, 0);
    }
    const now = `channelgate: ${state.status}, ${state.recovery}`;
    if (now !== line) log?.((line = now), state.view);
    for (const [name, ...rest] of todo) (effects[name] as (...rest: unknown[]) => void)(...rest);
    const at = deadline(state);
    cancel?.();
    cancel = at < Infinity ? clock.later(() => input("tick"), Math.min(at - clock.now(), FOREVER)) : undefined;
    if (state.view !== view) for (const [listener] of [...listeners]) guarded(listener);
  }

  async function ask(why: TokenContext["why"]): Promise<void> {
    const { signal } = (asking = new AbortController());
    try {
      const given = typeof token === "function" ? await token({ attempt: state.attempt, why, signal }) : token;
      const address = typeof url === "function" ? await url() : url;
      if (given === null) throw new Unauthorized("no token");
      if (!signal.aborted) input("ready", address, given || null);
    } catch (error) {
      const { message = String(error), after } = Object(error) as { message?: string; after?: number };
      if (!signal.aborted) input("closed", 0, message, error instanceof Unauthorized ? "unauthorized" : "retry", "token", after);
    }
  }

  function open(url: string | URL, token: string | null): void {
    const { turn } = state;
    const isMine = () => turn === state.turn;
    try {
      const opening = transport.open(
        { url: new URL(url, globalThis.document?.baseURI), token, tokenIn },
        {
          opened: (known) => isMine() && input("opened", !!opening.ping, known),
          frame: (frame) => isMine() && receive(frame),
          closed: ({ code, text, verdict }) => isMine() && input("closed", code, text, verdict),
        },
      );
      connection = opening;
    } catch (error) {
      // Its message may quote the token.
      input("closed", 0, `invalid url or token (${(error as Error).name})`, "failed", "config");
    }
  }

  function receive(frame: unknown): void {
    if (frame === "pong" && state.pinged) return input("pong");
    const { event, data } = guarded(() => dialect.read(frame)) ?? {};
    input("frame", event, data);
    if (event === undefined) return;
    const meta = { event, frame, at: state.heard };
    for (const [name, handler] of [...handlers]) if (name === event || name === "*") guarded(() => handler(data as never, meta));
  }

  /** False if the connection is about to close. A mistake of the dialect is reported. */
  function write(event: string, data: unknown): boolean | undefined {
    return guarded(() => connection?.send(dialect.write(event, data)));
  }

  return {
    snapshot: () => state.view,
    subscribe: (listener) => added(listeners, [listener]),
    acquire() {
      input("acquire");
      return once(() => input("release"));
    },
    connect: () => input("connect"),
    disconnect: () => input("disconnect"),
    reconnect: (why) => input("reconnect", why),
    setToken(other) {
      token = other;
      input("token");
    },
    on: (event, handler) => added(handlers, [event, handler]),
    onMissed(handler) {
      input("handler");
      return added(loaders, [handler]);
    },
    fresh: () => input("fresh"),
    want(kind, name) {
      input("want", kind, name, 1);
      return once(() => input("want", kind, name, -1));
    },
    send(event, data, { volatile = false } = {}) {
      const isUp = state.phase === "up";
      if (volatile || !lifecycle) return isUp && write(event, data) ? "sent" : "dropped";
      const message: Queued = { event, data, size: JSON.stringify([event, data]).length, at: clock.now() };
      input("send", message);
      return state.queue.includes(message) ? "queued" : isUp ? "sent" : "dropped";
    },
    async request(event, data, { timeout = REQUEST, signal } = {}) {
      if (!connection?.request || state.phase !== "up") throw new Disconnected("no connection that acknowledges");
      return connection.request(event, data, timeout, signal) as never;
    },
  };
}

/** An item is an object of its own, so that the same function may be added several times. */
function added<T extends unknown[]>(set: Set<T>, item: T): () => void {
  set.add(item);
  return () => void set.delete(item);
}

function once(call: (() => void) | null): () => void {
  return () => {
    call?.();
    call = null;
  };
}

/** `localStorage.channelgate = "debug"`. */
function isDebugging(): boolean {
  try {
    return localStorage["channelgate"] === "debug";
  } catch {
    return false;
  }
}
