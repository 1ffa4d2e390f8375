// Plays a timeline of clients/vectors with the real client: the vector is the server, the network, the clock and chance.

import * as core from "../../core/src/client.js";
import type { Clock } from "../../core/src/client.js";
import { typed } from "../../core/src/dialect.js";
import type { Client, ConnectionEvents, Lifecycle, Missed, Options, Snapshot, Transport } from "../../core/src/types.js";

/** Milliseconds since the beginning, `in`, `out` or `state`, what happens, and what comes with it. */
export type Line = readonly [at: number, side: "in" | "out" | "state", ...what: unknown[]];

export interface Timeline {
  readonly title: string;
  readonly options?: Options;
  /** What every random number is. */
  readonly random: number;
  readonly lines: readonly Line[];
}

/** The client with a clock of its own; `createClient` takes one, too, once the core has merged it. */
const createClient = ((core as { makeClient?: unknown }).makeClient ?? core.createClient) as (options: Options, clock: Clock) => Client;

/** The client's own times begin here; those of a timeline at 0. */
const BEGIN = 1_795_000_000_000;

/** Plays what comes in, and returns the timeline as the client has made it. */
export async function play({ options, random, lines }: Timeline): Promise<Line[]> {
  const heard: Line[] = [];
  const clock = new Time(random);
  const out = (...what: unknown[]) => void heard.push([clock.at, "out", ...what]);
  const one: { connection?: ConnectionEvents; token?: Settle<string | null>; loading?: Settle<void>; page?: Page } = {};

  const transport: Transport = {
    tokenIn: "query",
    dialect: typed,
    open({ token }, events) {
      out("open", token);
      one.connection = events;
      return {
        send: (frame) => (out("send", frame), true),
        ping: () => out("ping"),
        close: () => {
          if (one.connection === events) out("close");
          delete one.connection;
        },
      };
    },
  };
  const lifecycle: Lifecycle = { online: () => true, hidden: () => false, watch: (page) => ((one.page = page), () => undefined) };
  const token: Options["token"] = ({ why }) => (out("token", why), new Promise((resolve, reject) => (one.token = { resolve, reject })));
  const client = createClient({ url: "wss://example.org/ws/", token, ...options, transport, lifecycle, log: () => undefined }, clock);
  client.on("*", (data, { event }) => out("event", event, data));
  client.onMissed((missed, signal) => {
    out("load", relative(missed));
    const loading = new Promise<void>((resolve, reject) => (one.loading = { resolve, reject }));
    // What happens to the signal of something that is loaded does not matter.
    const aborted = () => out("abort");
    signal.addEventListener("abort", aborted);
    return loading.finally(() => signal.removeEventListener("abort", aborted));
  });
  const wanted = new Map<string, () => void>();

  const ins: Record<string, (...what: never[]) => void> = {
    connect: () => client.connect(),
    disconnect: () => client.disconnect(),
    reconnect: () => client.reconnect(),
    token: (value: string | null) => one.token?.resolve(value),
    "token failed": () => one.token?.reject(new Error("the server of tokens is away")),
    opened: () => one.connection?.opened(),
    frame: (frame: unknown) => one.connection?.frame(frame),
    closed(code: number, text = "") {
      const { connection } = one;
      delete one.connection;
      connection?.closed({ code, text });
    },
    send: (event: string, data: unknown, volatile = false) => client.send(event, data, { volatile }),
    want: (kind: "room" | "topic", name: string) => void wanted.set(name, client.want(kind, name)),
    unwant: (_kind: string, name: string) => wanted.get(name)?.(),
    page: (what: Parameters<Page>[0]) => one.page?.(what),
    loaded: () => one.loading?.resolve(),
    "load failed": () => one.loading?.reject(new Error("not loaded")),
  };

  for (const line of lines) {
    const [at, side, ...what] = line;
    if (side === "out") continue;
    await clock.until(at);
    if (side === "state") {
      const snapshot = client.snapshot();
      const keys = Object.keys(what[0] as object) as (keyof Snapshot)[];
      heard.push([at, "state", relative(Object.fromEntries(keys.map((key) => [key, snapshot[key]])))]);
      continue;
    }
    const [name, ...rest] = what as [string, ...never[]];
    const act = ins[name];
    if (!act) throw new Error(`a timeline cannot say ${JSON.stringify(line)}`);
    heard.push(line);
    act(...rest);
    await settled();
  }
  const all = [...heard];
  client.disconnect();
  return all;
}

type Page = Parameters<Parameters<Lifecycle["watch"]>[0]>[0] extends infer W ? (what: W) => void : never;
interface Settle<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** Times in milliseconds since the beginning of the timeline. */
function relative<T extends object>(of: T): T {
  const times = new Set(["since", "until", "retryAt"]);
  const shown = Object.entries(of).map(([key, value]: [string, unknown]) => {
    if (times.has(key) && typeof value === "number") return [key, value - BEGIN];
    return [key, key === "missed" && value ? relative(value as Missed) : value];
  });
  return Object.fromEntries(shown) as T;
}

/** Promises of the client are settled after this. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

class Time implements Clock {
  at = 0;
  readonly #timers = new Set<{ at: number; then: () => void }>();

  // Functions of their own: the client calls them without `this`.
  readonly now = (): number => BEGIN + this.at;
  readonly random: () => number;
  readonly later = (then: () => void, ms: number): unknown => {
    const timer = { at: this.at + Math.max(0, ms), then };
    this.#timers.add(timer);
    return timer;
  };
  readonly cancel = (timer: unknown): void => void this.#timers.delete(timer as { at: number; then: () => void });

  constructor(random: number) {
    this.random = () => random;
  }

  /** Lets everything happen that is due until then, each at its time. */
  async until(end: number): Promise<void> {
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.at = Math.max(this.at, due.at);
      due.then();
      await settled();
    }
    this.at = end;
  }
}
