// A client for tests of an application: the real state machine, with the test in the place of the server, the network
// and the clock.

import { createClient, type Clock } from "./client.js";
import { Disconnected, TimedOut } from "./errors.js";
import type { Client, ConnectionEvents, Data, Dialect, Events, Lifecycle, Name, Named, Options, Transport, Verdict } from "./types.js";

type PageEvent = Parameters<Parameters<Lifecycle["watch"]>[0]>[0];

/** Options of a client, except for those that the test takes the place of. */
export interface TestOptions extends Omit<Options, "transport" | "lifecycle"> {
  /** The time at which the clock begins. Default: now. */
  now?: number;
  /** What the client gets for random numbers between 0 and 1. Default 0: it never waits longer than it has to. */
  random?: number;
}

export interface TestClient<E = Events> extends Client<E> {
  /** What the server has got, in order: `{event, data}`, or what the dialect makes of it. Rooms are messages, too. */
  readonly sent: unknown[];
  /** Connections that the client has begun to open. */
  readonly connections: number;
  /** Lets the server accept the next connection, which is made now. */
  open(): void;
  /** The server sends an event. */
  receive<K extends Name<E>>(event: K, ...data: undefined extends Data<E, K> ? [data?: Data<E, K>] : [data: Data<E, K>]): void;
  /** The server sends a frame for the dialect to read. */
  frame(frame: unknown): void;
  /** The server says that events were lost. */
  gap(reason?: string, groups?: readonly string[] | null): void;
  /** The connection ends, or is refused while it opens. 1006 (default): the network; 1012: the node restarts … */
  drop(code?: number, text?: string, verdict?: Verdict): void;
  /** Answers requests for acknowledgements. A request without an answer waits for its time limit. */
  answer(event: string, reply: (data: unknown) => unknown): void;
  /** What happens to the page: `offline`, `online`, `hidden`, `visible`, `wake`, `away`, `back`, `storage`. */
  page(what: PageEvent): void;
  /** The time of the clock, which stands still between calls of `advance`. */
  now(): number;
  /** Lets so many milliseconds pass, and what is due happen. */
  advance(ms: number): void;
}

/** How long a connection lives before it is shown as open. */
const SHOWN = 30;

interface TestConnection {
  readonly events: ConnectionEvents;
  isOpen: boolean;
  /** Reject the requests that wait for an acknowledgement. */
  readonly waiting: (() => void)[];
}

/** Messages as they are; rooms and topics as messages with the name. */
const plain: Dialect = {
  read: (frame) => frame as Named,
  write: (event, data) => ({ event, data }),
  interest: (kind, name, wanted) => ({ event: kind === "room" ? (wanted ? "join" : "leave") : wanted ? "subscribe" : "unsubscribe", data: name }),
};

/** A client without a network. It connects as any client does, and waits for what the test makes the server do. */
export function createTestClient<E = Events>({ now: time = Date.now(), random = 0, ...options }: TestOptions = {}): TestClient<E> {
  const clock = new TestClock(time, random);
  const dialect = options.dialect ?? plain;
  const sent: unknown[] = [];
  const answers = new Map<string, (data: unknown) => unknown>();
  /** Events of the test, which no dialect has to read. */
  const events = new WeakSet<object>();
  let connection: TestConnection | null = null;
  let connections = 0;
  let isAwaited = false;
  let online: boolean | null = true;
  let hidden = false;
  let tell: (what: PageEvent) => void = () => undefined;

  const end = (ended: TestConnection) => {
    ended.isOpen = false;
    if (connection === ended) connection = null;
    for (const reject of ended.waiting.splice(0)) reject();
  };
  const transport: Transport = {
    tokenIn: "query",
    dialect: { ...dialect, read: (frame) => (events.has(frame as object) ? (frame as Named) : dialect.read(frame)) },
    open: (_request, events) => {
      const mine: TestConnection = { events, isOpen: false, waiting: [] };
      connection = mine;
      connections += 1;
      if (isAwaited) queueMicrotask(() => connection === mine && accept());
      return {
        send: (frame) => mine.isOpen && sent.push(frame) > 0,
        request: (event, data, timeout, signal) =>
          new Promise((resolve, reject) => {
            signal?.throwIfAborted();
            sent.push(dialect.write(event, data));
            const reply = answers.get(event);
            if (reply) Promise.resolve(data).then(reply).then(resolve, reject);
            signal?.addEventListener("abort", () => reject(signal.reason as Error));
            clock.later(() => reject(new TimedOut(`${event}: no acknowledgement within ${timeout} ms`)), timeout);
            mine.waiting.push(() => reject(new Disconnected(`${event}: the connection is lost`)));
          }),
        close: () => end(mine),
      };
    },
  };
  const lifecycle: Lifecycle = {
    online: () => online,
    hidden: () => hidden,
    watch: (on) => {
      tell = on;
      return () => (tell = () => undefined);
    },
  };
  const client = createClient<E>({ url: "wss://server.test/", ...options, dialect: transport.dialect, transport, lifecycle }, clock.platform);

  const accept = () => {
    isAwaited = false;
    if (!connection) return;
    connection.isOpen = true;
    connection.events.opened();
    clock.advance(SHOWN);
  };
  const current = (what: string) => {
    if (!connection?.isOpen) throw new Error(`There is no connection ${what}: call open() first. The status is ${client.snapshot().status}.`);
    return connection;
  };
  const deliver = (frame: Named) => {
    events.add(frame);
    extras.frame(frame);
  };
  const extras = {
    sent,
    open: () => {
      const { status } = client.snapshot();
      if (status === "open") throw new Error("The connection is open already: call drop() first.");
      if (status === "idle" || status === "closed") client.connect();
      else if (status === "failed" || status === "unauthorized") client.reconnect();
      const { retryAt } = client.snapshot();
      if (retryAt !== null) clock.advance(retryAt - clock.now());
      // A token that is fetched takes a moment.
      if (connection) accept();
      else isAwaited = true;
    },
    receive: (event: string, data?: unknown) => deliver({ event, data }),
    frame: (frame: unknown) => {
      current("to receive from").events.frame(frame);
      clock.advance(0);
    },
    gap: (reason = "lost", groups: readonly string[] | null = null) => deliver({ event: "gap", data: { reason, groups } }),
    drop: (code = 1006, text = "", verdict?: Verdict) => {
      const dropped = connection ?? current("to drop");
      end(dropped);
      dropped.events.closed({ code, text, ...(verdict && { verdict }) });
      clock.advance(0);
    },
    answer: (event: string, reply: (data: unknown) => unknown) => void answers.set(event, reply),
    page: (what: PageEvent) => {
      if (what === "online" || what === "offline") online = what === "online";
      if (what === "visible" || what === "hidden") hidden = what === "hidden";
      tell(what);
      clock.advance(0);
    },
    now: () => clock.now(),
    advance: (ms: number) => clock.advance(ms),
  };
  return Object.defineProperty(Object.assign(client, extras), "connections", { get: () => connections }) as unknown as TestClient<E>;
}

/** A clock that stands still, except that what is due at once happens as soon as the test's own code has returned. */
class TestClock {
  /** What the client takes for the platform's. */
  readonly platform: Clock = {
    now: () => this.#now,
    random: () => this.#random,
    later: (then, ms) => this.later(then, ms),
    cancel: (timer) => (timer as (() => void) | undefined)?.(),
  };
  #now: number;
  readonly #random: number;
  readonly #timers = new Set<{ at: number; then: () => void }>();

  constructor(now: number, random: number) {
    this.#now = now;
    this.#random = random;
  }

  now(): number {
    return this.#now;
  }

  later(then: () => void, ms: number): () => void {
    const timer = { at: this.#now + ms, then };
    this.#timers.add(timer);
    if (ms <= 0) setTimeout(() => this.#timers.has(timer) && this.#run(timer), 0);
    return () => void this.#timers.delete(timer);
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due.at);
      this.#run(due);
    }
    this.#now = Math.max(this.#now, end);
  }

  #run(timer: { at: number; then: () => void }): void {
    this.#timers.delete(timer);
    timer.then();
  }
}
