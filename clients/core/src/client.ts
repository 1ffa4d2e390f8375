// The driver of the state machine: sockets, tokens, timers and the application's functions. Everything that happens
// becomes an input of the machine, and its effects are carried out here.

import { Disconnected, guarded } from "./errors.js";
import { page } from "./lifecycle.js";
import { deadline, initial, step } from "./machine.js";
import type { Kind } from "./interest.js";
import { FOREVER, REQUEST } from "./numbers.js";
import type { Queued } from "./outbox.js";
import type { Effects, Input } from "./state.js";
import { Unauthorized } from "./token.js";
import type { Client, Connection, Events, Meta, Missed, Options, TokenContext } from "./types.js";
import { webSocket } from "./websocket.js";

/** Time and chance, if they are not those of the platform. */
export interface Clock {
  now(): number;
  random(): number;
  later(then: () => void, ms: number): unknown;
  cancel(timer: unknown): void;
}

/** A client that connects when `connect()` is called, or as long as it is acquired. */
export function createClient<E = Events>(
  options: Options = {},
  { now = Date.now, random = Math.random, later = setTimeout, cancel = clearTimeout as Clock["cancel"] }: Partial<Clock> = {},
): Client<E> {
  const {
    transport = webSocket(),
    dialect = transport.dialect,
    url = "/",
    tokenIn = transport.tokenIn,
    // A server renders pages, and keeps no connection for them.
    lifecycle = globalThis.document ? page : undefined,
  } = options;
  const isInert = !lifecycle && !transport.anywhere;
  let { token, log } = options;
  try {
    if (localStorage["channelgate"] === "debug") log ??= console.debug;
  } catch {
    // There is no storage, or none for this page.
  }
  const listeners = new Set<[listener?: () => void]>();
  const handlers = new Set<[name: string, handler: (data: never, meta: Meta) => void]>();
  const loaders = new Set<[loader?: (missed: Missed, signal: AbortSignal) => void | Promise<void>]>();
  let state = initial(options);
  let connection: Connection | null = null;
  let asking: AbortController | undefined;
  let loading: AbortController | undefined;
  let timer: unknown;
  let awaited: number | undefined;
  let line: string | undefined;
  let unwatch: (() => undefined) | undefined;

  let ahead = 0;

  /** The time of the client, which is not set back when the clock is. */
  const time = (): number => now() + (ahead = Math.max(ahead, state.now - now()));

  const effects: { [K in keyof Effects]: (...effect: Effects[K]) => void } = {
    ask,
    drop() {
      asking?.abort();
      connection?.close(1000);
      connection = null;
    },
    ping: () => (connection?.ping ? connection.ping() : connection?.check?.()),
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
      void Promise.allSettled([...loaders].map(async ([loader]) => loader?.(missed, signal))).then((results) => {
        const failed = results.find((result) => "reason" in result);
        if (failed) log?.("onMissed failed", failed);
        if (!signal.aborted) input("ran", !failed);
      });
    },
    lost: (text) => (log ?? console.warn)(`channelgate: ${text}`),
  };

  /** One step of the machine, its effects, and what follows from the new state. */
  function input(...what: Input): void {
    if (isInert) return;
    const { view } = state;
    const [next, todo] = step(state, what, time(), random());
    state = next;
    // The page matters as long as there is, or may be again, a connection.
    if (/idle|closed/.test(state.status)) unwatch = unwatch?.();
    else if (!unwatch) {
      unwatch = lifecycle?.watch(input as never) as (() => undefined) | undefined;
      const online = lifecycle?.online() ?? null;
      if (online !== null) input(online ? "online" : "offline");
      if (lifecycle?.hidden()) input("hidden");
    }
    // Another line than the last one.
    if (line !== (line = `channelgate: ${state.status}, ${state.recovery}`)) guarded(() => log?.(line as string, state.view));
    for (const [name, ...rest] of todo) (effects[name] as (...rest: unknown[]) => void)(...rest);
    const at = deadline(state);
    // Otherwise it keeps its place among the timers of the page: what was queued after it may count on it.
    if (at !== awaited) {
      cancel(timer);
      awaited = at;
      const tick = () => {
        awaited = undefined;
        input("tick");
      };
      if (at < Infinity) timer = later(tick, Math.min(at - time(), FOREVER));
    }
    if (state.view !== view) for (const [listener] of [...listeners]) guarded(() => listener?.());
  }

  async function ask(why: TokenContext["why"]): Promise<void> {
    const { signal } = (asking = new AbortController());
    const mine = (...what: Input) => signal.aborted || input(...what);
    try {
      const given = typeof token === "function" ? await token({ attempt: state.attempt, why, signal }) : token;
      const address = typeof url === "function" ? await url() : url;
      if (given === null) throw new Unauthorized("no token");
      if (mine("ready")) return;
      const opening = (connection = transport.open(
        { url: new URL(address, globalThis.document?.baseURI), token: given || null, tokenIn },
        {
          opened: (known) => mine("opened", !!opening.ping, known),
          frame: (frame) => signal.aborted || receive(frame),
          closed: ({ code, text, verdict }) => mine("closed", code, text, verdict),
        },
      ));
    } catch (error) {
      const { message = String(error), after } = Object(error) as { message?: string; after?: number };
      // An error of the transport may quote the token.
      if (state.phase === "opening") mine("closed", 0, "invalid url or token", "failed", "config");
      else mine("closed", 0, message, error instanceof Unauthorized ? "unauthorized" : "retry", "token", after);
    }
  }

  function receive(frame: unknown): void {
    if (frame === "pong" && state.pinged) return input("pong");
    const { event, data } = guarded(() => dialect.read(frame)) ?? {};
    input("frame", event, data);
    if (event === undefined) return;
    for (const [name, handler] of [...handlers]) if (name === event || name === "*") guarded(() => handler(data as never, { event, frame, at: state.heard }));
  }

  /** False if the connection is about to close. A mistake of the dialect is reported. */
  function write(event: string, data: unknown): boolean | undefined {
    return guarded(() => connection?.send(dialect.write(event, data)));
  }

  /** Counts one more, and one less when the function is called. */
  function held(...what: ["acquire"] | ["want", Kind, string]): () => void {
    let isHeld = true;
    input(...([...what, 1] as unknown as Input));
    return () => {
      if (!isHeld) return;
      isHeld = false;
      input(...([...what, -1] as unknown as Input));
    };
  }

  return {
    snapshot: () => state.view,
    subscribe: (listener) => added(listeners, [listener]),
    acquire: () => held("acquire"),
    connect: () => input("connect"),
    disconnect: () => input("disconnect"),
    reconnect: (why) => input("reconnect", why),
    setToken(other) {
      token = other;
      input("token");
    },
    on: (event, handler) => added(handlers, [event, handler]),
    onMissed(handler) {
      // What nothing has loaded anew is loaded soon, as after a failure.
      if (state.recovery === "missed") input("ran", false);
      return added(loaders, [handler]);
    },
    fresh: () => input("fresh"),
    want: (kind, name) => held("want", kind, name),
    send(event, data, { volatile = false } = {}) {
      const isUp = state.phase === "up";
      if (volatile || isInert) return isUp && write(event, data) ? "sent" : "dropped";
      const message: Queued = { event, data, size: JSON.stringify([event, data]).length, at: time() };
      input("send", message);
      return state.queue.includes(message) ? "queued" : isUp ? "sent" : "dropped";
    },
    request: (event, data, { timeout = REQUEST, signal } = {}) =>
      (connection?.request?.(event, data, timeout, signal) ?? Promise.reject(new Disconnected("no connection"))) as Promise<never>,
  };
}

/** An item is an object of its own, so that the same function may be added several times. Taken away, it is empty: not even the event of now reaches it. */
function added<T extends unknown[]>(set: Set<T>, item: T): () => void {
  set.add(item);
  return () => {
    set.delete(item);
    item.length = 0;
  };
}
