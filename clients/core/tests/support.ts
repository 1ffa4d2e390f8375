// A clock that the test turns, and a transport whose server is the test.

import { afterEach, vi } from "vitest";

import { createClient } from "../src/client.js";
import type { Clock } from "../src/client.js";
import { typed } from "../src/dialect.js";
import type { WebSocketLike } from "../src/websocket.js";
import type { Client, Connection, ConnectionEvents, Lifecycle, OpenRequest, Options, Transport, Verdict } from "../src/types.js";

/** 2026-11-27; any will do, if it is not 0. */
const BEGIN = 1_795_000_000_000;

export class FakeClock {
  readonly platform: Clock = {
    now: () => this.time,
    random: () => this.chance,
    later: (then, ms) => this.later(then, ms),
    cancel: (timer) => (timer as (() => void) | undefined)?.(),
  };
  time = BEGIN;
  chance = 0.5;
  /** By how much the clock was set back; timers do not care. */
  back = 0;
  #timers: { at: number; then: () => void }[] = [];

  now(): number {
    return this.time - this.back;
  }
  /** The longest time that was ever asked for. */
  longest = 0;
  later(then: () => void, ms: number): () => void {
    this.longest = Math.max(this.longest, ms);
    const timer = { at: this.time + ms, then };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }
  get timers(): number {
    return this.#timers.length;
  }
  /** Lets time pass, and each timer ring at its time; promises settle between them. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    await settled();
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.time = Math.max(this.time, next.at);
      next.then();
      await settled();
    }
    this.time = end;
  }
  /** Time passes, and no timer rings: the device sleeps. */
  sleep(ms: number): void {
    this.time += ms;
  }
}

/** Lets promises settle. */
export async function settled(): Promise<void> {
  for (let n = 0; n < 12; n += 1) await Promise.resolve();
}

/** A connection, and what its server can do. */
export class FakeSocket implements Connection {
  readonly request_: OpenRequest;
  readonly events: ConnectionEvents;
  readonly sent: unknown[] = [];
  readonly openedAt: number;
  pings = 0;
  closedWith: number | undefined;
  isEnded = false;
  accepts = true;
  ping?: () => void;
  request?: (event: string, data: unknown) => Promise<unknown>;

  constructor(request: OpenRequest, events: ConnectionEvents, now: number) {
    this.request_ = request;
    this.events = events;
    this.openedAt = now;
    this.ping = () => void (this.pings += 1);
  }
  send(frame: unknown): boolean {
    if (this.isEnded || !this.accepts) return false;
    this.sent.push(frame);
    return true;
  }
  close(code?: number): void {
    this.closedWith ??= code ?? 1005;
    this.isEnded = true;
  }
  open(): void {
    this.events.opened();
  }
  frame(frame: unknown): void {
    this.events.frame(frame);
  }
  end(code: number, text = "", verdict?: Verdict): void {
    this.isEnded = true;
    this.events.closed({ code, text, ...(verdict && { verdict }) });
  }
}

/** A class for `webSocket()`; the test is its server. */
export class FakeWebSocket implements WebSocketLike {
  /** The one that was made last. */
  static last: FakeWebSocket;
  readyState = 0;
  sent: string[] = [];
  closed: (number | undefined)[] = [];
  onopen: WebSocketLike["onopen"] = null;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;
  constructor(
    readonly url: string,
    readonly protocols: string[] = [],
  ) {
    FakeWebSocket.last = this;
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(code?: number): void {
    this.closed.push(code);
  }
}

export class FakeLifecycle implements Lifecycle {
  isOnline: boolean | null = true;
  isHidden = false;
  tell: Parameters<Lifecycle["watch"]>[0] = () => undefined;
  watching = 0;
  online(): boolean | null {
    return this.isOnline;
  }
  hidden(): boolean {
    return this.isHidden;
  }
  watch(on: Parameters<Lifecycle["watch"]>[0]): () => void {
    this.watching += 1;
    this.tell = on;
    return () => {
      this.watching -= 1;
      this.tell = () => undefined;
    };
  }
}

export interface Rig {
  client: Client<Record<string, unknown>>;
  clock: FakeClock;
  sockets: FakeSocket[];
  lifecycle: FakeLifecycle;
  /** The newest connection. */
  socket: FakeSocket;
  statuses: string[];
  /** Connects, opens, and waits until it is shown. */
  opened(): Promise<FakeSocket>;
}

/** Errors that applications see as uncaught; here they do not end the test. */
export function uncaught(): unknown[] {
  const errors: unknown[] = [];
  const real = globalThis.setTimeout;
  vi.spyOn(globalThis, "setTimeout").mockImplementation(((then: () => void, ms?: number) => {
    if (ms !== undefined) return real(then, ms);
    try {
      then();
    } catch (error) {
      errors.push(error);
    }
    return 0;
  }) as typeof setTimeout);
  return errors;
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** A client whose connections are the test's. */
export function rig(options: Options = {}, how: { pings?: boolean } = {}): Rig {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];
  const lifecycle = new FakeLifecycle();
  const transport: Transport = {
    tokenIn: "query",
    dialect: typed,
    open(request, events) {
      const socket = new FakeSocket(request, events, clock.now());
      if (how.pings === false) delete socket.ping;
      sockets.push(socket);
      return socket;
    },
  };
  const client = createClient<Record<string, unknown>>({ url: "wss://node/ws/", transport, lifecycle, ...options }, clock.platform);
  const statuses: string[] = [];
  client.subscribe(() => {
    const { status } = client.snapshot();
    if (statuses.at(-1) !== status) statuses.push(status);
  });
  return {
    client,
    clock,
    sockets,
    lifecycle,
    get socket() {
      return sockets.at(-1) as FakeSocket;
    },
    statuses,
    async opened() {
      client.connect();
      await settled();
      const socket = sockets.at(-1) as FakeSocket;
      socket.open();
      await clock.pass(30);
      return socket;
    },
  };
}
