// The driver of the state machine: sockets, tokens, timers and the application's functions. Everything that happens
// becomes an input of the machine, and its effects are carried out here.

import { guarded } from "./errors.js";
import type { Kind } from "./interest.js";
import { always, page } from "./lifecycle.js";
import { deadline, initial, step } from "./machine.js";
import { Requests } from "./requests.js";
import type { Clock } from "./requests.js";
import type { Config, Effect, Input, State } from "./state.js";
import { Unauthorized } from "./token.js";
import type { Client, Connection, Data, Dialect, Events, Lifecycle, Logger, Meta, Missed, Name, Named, Options, Snapshot, Token, Transport } from "./types.js";
import { webSocket } from "./websocket.js";

const clock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  later(then, ms) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

type Handler = (data: never, meta: Meta) => void;

/** The longest time of `setTimeout`. */
const FOREVER = 2 ** 31 - 1;
/** Losses are logged once in this time. */
const LOG = 10_000;
const NOTHING: Named = { event: "", data: undefined };

/** A client that connects when `connect()` is called, or as long as somebody has acquired it. */
export function createClient<E = Events>(options: Options = {}): Client<E> {
  return makeClient<E>(options, clock);
}

export function makeClient<E>(options: Options, clock: Clock): Client<E> {
  return new Driver<E>(options, clock);
}

function configure({ backoff = {}, heartbeat, outbox, connectTimeout = 20_000, stableAfter = 5_000, linger = 0, closeCodes = {} }: Options): Config {
  return {
    backoff: { base: 1_000, cap: 30_000, attempts: Infinity, giveUp: false, strategy: undefined, ...backoff },
    heartbeat: heartbeat !== false && { interval: 25_000, timeout: 10_000, always: heartbeat !== undefined, ...heartbeat },
    outbox: { messages: 100, bytes: 256 * 1024, age: 30_000, ...outbox },
    connectTimeout,
    stableAfter,
    linger,
    closeCodes,
  };
}

class Driver<E> implements Client<E> {
  readonly #options: Options;
  readonly #clock: Clock;
  readonly #transport: Transport;
  readonly #lifecycle: Lifecycle | null;
  readonly #listeners = new Set<() => void>();
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #onMissed = new Set<(missed: Missed, signal: AbortSignal) => void | Promise<void>>();
  readonly #requests: Requests;
  #state: State;
  #told: Snapshot;
  #token: Token | undefined;
  #connection: Connection | null = null;
  #ready: { url: string | URL; token: string | null } | null = null;
  #asking: AbortController | null = null;
  #recovering: AbortController | null = null;
  #alarm: { at: number; cancel: () => void } | null = null;
  #unwatch: (() => void) | null = null;
  #log: Logger | null | undefined;
  #loss = { count: 0, at: -Infinity };

  constructor(options: Options, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#transport = options.transport ?? webSocket();
    // A server renders pages, and keeps no connection for them.
    this.#lifecycle = options.lifecycle ?? (typeof document !== "undefined" ? page : this.#transport.anywhere ? always : null);
    this.#token = options.token;
    this.#requests = new Requests(clock);
    this.#state = initial(configure(options), this.#token !== undefined);
    this.#told = this.#state.view;
  }

  snapshot(): Snapshot {
    return this.#state.view;
  }

  subscribe(listener: () => void): () => void {
    return added(this.#listeners, () => listener());
  }

  acquire(): () => void {
    this.#input({ type: "acquire" });
    return once(() => this.#input({ type: "release" }));
  }

  connect(): void {
    this.#input({ type: "connect" });
  }

  disconnect(): void {
    this.#input({ type: "disconnect" });
  }

  reconnect(why?: string): void {
    this.#input({ type: "reconnect", why });
  }

  setToken(token: Token): void {
    this.#token = token;
    this.#input({ type: "token", hasToken: true });
  }

  on<K extends Name<E> | "*">(event: K, handler: (data: Data<E, K>, meta: Meta) => void): () => void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers);
    return added(handlers, (data, meta) => handler(data, meta));
  }

  onMissed(handler: (missed: Missed, signal: AbortSignal) => void | Promise<void>): () => void {
    const remove = added(this.#onMissed, (missed: Missed, signal: AbortSignal) => handler(missed, signal));
    this.#input({ type: "handler" });
    return remove;
  }

  fresh(): void {
    this.#input({ type: "fresh" });
  }

  want(kind: Kind, name: string): () => void {
    this.#input({ type: "want", kind, name, change: 1 });
    return once(() => this.#input({ type: "want", kind, name, change: -1 }));
  }

  send(event: string, data?: unknown, { volatile = false }: { volatile?: boolean } = {}): "sent" | "queued" | "dropped" {
    if (!this.#lifecycle) return "dropped";
    const message = { event, data, size: JSON.stringify([event, data]).length, at: this.#clock.now() };
    if (this.#state.phase === "up" && volatile) return this.#write(message) ? "sent" : "dropped";
    this.#input({ type: "send", message, volatile });
    return this.#state.queue.includes(message) ? "queued" : this.#state.phase === "up" ? "sent" : "dropped";
  }

  request<R>(event: string, data?: unknown, how: { timeout?: number; signal?: AbortSignal } = {}): Promise<R> {
    return this.#requests.make(this.#state.phase === "up" ? this.#connection : null, event, data, how) as Promise<R>;
  }

  /** One step of the machine, its effects, and what follows from the new state. */
  #input(input: Input): void {
    if (!this.#lifecycle) return;
    const begins = input.type === "connect" || input.type === "acquire" || input.type === "reconnect";
    if (begins && !this.#unwatch) this.#watch(this.#lifecycle);
    const before = this.#state.view;
    const [state, effects] = step(this.#state, input, this.#clock.now(), this.#clock.random());
    this.#state = state;
    if (before.status !== state.view.status || before.recovery !== state.view.recovery) this.#trace(state.view);
    for (const effect of effects) this.#do(effect);
    this.#wind();
    this.#notify();
    const { phase, end } = this.#state;
    if (phase === "off" && (end === "closed" || end === "idle")) {
      this.#unwatch?.();
      this.#unwatch = null;
    }
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case "ask":
        return void this.#ask(effect);
      case "open":
        return this.#open(effect.turn);
      case "drop":
        this.#asking?.abort();
        this.#connection?.close(effect.code);
        this.#connection = null;
        return this.#requests.fail();
      case "ping":
        return this.#connection?.ping?.();
      case "send":
        if (!this.#write(effect.message)) this.#input({ type: "unsent", message: effect.message });
        return;
      case "tell": {
        const { kind, name, wanted } = effect;
        const message = guarded(() => this.#dialect.interest(kind, name, wanted));
        return void (message && this.#write(message));
      }
      case "abort":
        return this.#recovering?.abort();
      case "recover":
        return this.#recover(effect.run, effect.missed);
      case "lost":
        this.#lose(effect.count);
    }
  }

  get #dialect(): Dialect {
    return this.#options.dialect ?? this.#transport.dialect;
  }

  /** False if the connection is closing: the message waits for the next one. A mistake of the dialect is reported. */
  #write({ event, data }: Named): boolean {
    return guarded(() => this.#connection?.send(this.#dialect.write(event, data)) ?? false) ?? true;
  }

  async #ask({ turn, attempt, why }: Effect & { do: "ask" }): Promise<void> {
    const { signal } = (this.#asking = new AbortController());
    const token = this.#token;
    try {
      const found = typeof token === "function" ? await token({ attempt, why, signal }) : token;
      if (token !== undefined && typeof found !== "string") throw new Unauthorized("There is no token.");
      const { url = "/" } = this.#options;
      this.#ready = { url: typeof url === "function" ? await url() : url, token: found ?? null };
    } catch (error) {
      if (signal.aborted) return;
      const verdict = error instanceof Unauthorized ? "unauthorized" : "retry";
      const { message = String(error), after = 0 } = (error ?? {}) as { message?: string; after?: number };
      return this.#input({ type: "closed", turn, code: 0, text: message, verdict, kind: "token", after: after || 0 });
    }
    if (!signal.aborted) this.#input({ type: "ready", turn });
  }

  #open(turn: number): void {
    try {
      const { url, token } = this.#ready as { url: string | URL; token: string | null };
      const address = new URL(url, typeof document === "undefined" ? undefined : document.baseURI);
      const connection = this.#transport.open(
        { url: address, token, tokenIn: this.#options.tokenIn ?? this.#transport.tokenIn },
        {
          opened: () => this.#input({ type: "opened", turn, pings: connection.ping !== undefined }),
          frame: (frame) => this.#frame(turn, frame),
          closed: (how) => this.#input({ ...how, type: "closed", turn }),
        },
      );
      this.#connection = connection;
    } catch (error) {
      // The error may quote the token.
      const text = `No connection can be made of this url and token (${error instanceof Error ? error.name : "error"}).`;
      this.#input({ type: "closed", turn, code: 0, text, verdict: "failed", kind: "config" });
    }
  }

  #frame(turn: number, frame: unknown): void {
    if (turn !== this.#state.turn || this.#state.phase !== "up") return;
    if (frame === "pong" && this.#state.pinged) return this.#input({ type: "frame", turn, named: null });
    const named = guarded(() => this.#dialect.read(frame));
    this.#input({ type: "frame", turn, named: named ?? NOTHING });
    if (!named) return;
    const { event, data } = named;
    const meta = { event, frame, at: this.#state.now };
    for (const name of [event, "*"]) {
      for (const handler of [...(this.#handlers.get(name) ?? [])]) guarded(() => handler(data as never, meta));
    }
  }

  #recover(run: number, missed: Missed): void {
    const handlers = [...this.#onMissed];
    if (handlers.length === 0) return this.#input({ type: "ran", run, ok: null });
    const { signal } = (this.#recovering = new AbortController());
    void Promise.allSettled(handlers.map(async (handler) => handler(missed, signal))).then((results) => {
      const failed = results.find(({ status }) => status === "rejected");
      if (failed) this.#debug("a handler of onMissed failed", failed);
      this.#input({ type: "ran", run, ok: !failed });
    });
  }

  #lose(count: number): void {
    this.#loss.count += count;
    const now = this.#clock.now();
    if (now - this.#loss.at < LOG) return;
    (this.#options.log ?? console.warn)(`channelgate: ${this.#loss.count} messages were not sent`);
    this.#loss = { count: 0, at: now };
  }

  /** One timer, for what is due next. */
  #wind(): void {
    const at = deadline(this.#state);
    if (at === this.#alarm?.at) return;
    this.#alarm?.cancel();
    this.#alarm = null;
    if (at === Infinity) return;
    const ring = () => {
      this.#alarm = null;
      this.#input({ type: "tick" });
    };
    this.#alarm = { at, cancel: this.#clock.later(ring, Math.min(FOREVER, Math.max(0, at - this.#clock.now()))) };
  }

  #notify(): void {
    if (this.#told === this.#state.view) return;
    this.#told = this.#state.view;
    for (const listener of [...this.#listeners]) guarded(listener);
  }

  #watch(lifecycle: Lifecycle): void {
    this.#unwatch = lifecycle.watch((type) => this.#input({ type }));
    const now: Input = { type: "page", online: lifecycle.online(), hidden: lifecycle.hidden() };
    this.#state = step(this.#state, now, this.#clock.now(), 0)[0];
  }

  #trace({ status, recovery, reason, retryAt }: Snapshot): void {
    const again = retryAt === null ? "" : `, again in ${Math.round(retryAt - this.#state.now)} ms`;
    this.#debug(`${status}, ${recovery}${reason ? ` (${reason.kind} ${reason.code ?? ""} ${reason.text})` : ""}${again}`);
  }

  #debug(line: string, detail?: unknown): void {
    if (this.#log === undefined) this.#log = this.#options.log ?? (isDebugging() ? console.debug : null);
    this.#log?.(`channelgate: ${line}`, ...(detail === undefined ? [] : [detail]));
  }
}

/** `localStorage.channelgate = "debug"`. */
function isDebugging(): boolean {
  try {
    return localStorage.getItem("channelgate") === "debug";
  } catch {
    return false;
  }
}

function added<T>(set: Set<T>, one: T): () => void {
  set.add(one);
  return () => void set.delete(one);
}

function once(call: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) call();
    isDone = true;
  };
}
