// What a test in the browser can start on the machine: a node, a Redis, Django's channel layer, a link that breaks.
// Everything that a file has started ends with the file.

import { afterAll } from "vitest";
import { commands } from "vitest/browser";

import type { Kind, Order, Started, Starts } from "./support/server.js";

export { until } from "./support/until.js";

declare module "vitest/browser" {
  interface BrowserCommands {
    rig(order: Order): Promise<unknown>;
    devtools(method: string, params?: Readonly<Record<string, unknown>>): Promise<unknown>;
  }
}

/** The same methods as on the other side, each with a promise; properties are functions without arguments. */
type Remote<T> = {
  readonly [K in Exclude<keyof T, "port" | "url">]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : () => Promise<T[K]>;
} & { readonly port: number; readonly url: string; /** The WebSocket address of a path. */ ws(path: string): string };

afterAll(() => commands.rig({ do: "close" }), 30_000);

async function start<K extends Kind>(kind: K, ...args: Parameters<Starts[K]>): Promise<Remote<Started<K>>> {
  const { id, port, url } = (await commands.rig({ do: "start", kind, args })) as { id: number; port: number; url: string };
  const ws = (path: string): string => new URL(path, url).href.replace(/^http/, "ws");
  const known: Record<string, unknown> = { port, url, ws, then: undefined };
  return new Proxy(known, {
    get: (own, name) => (typeof name === "symbol" || name in own ? own[name as string] : (...all: readonly unknown[]) => commands.rig({ do: "call", id, name, args: all })),
  }) as Remote<Started<K>>;
}

/** A node: `stop` drains it (1012), `kill` is kill -9, `start` starts it again on its port. */
export const startGate = (options: Parameters<Starts["gate"]>[0] = {}): Promise<Remote<Started<"gate">>> => start("gate", options);
/** A Redis: `stop`, `start`, `freeze`, `thaw`. */
export const startRedis = (): Promise<Remote<Started<"redis">>> => start("redis");
/** `send(group, event, times)` is Django's group_send, by channels_redis. */
export const startLayer = (redisUrl: string, kind?: "core" | "pubsub"): Promise<Remote<Started<"layer">>> => start("layer", redisUrl, kind);
/** A TCP proxy to a port: `halfOpen`, `cut`, `refuse`. */
export const startChaos = (target: number): Promise<Remote<Started<"chaos">>> => start("chaos", target);

/** A command of the Chrome DevTools Protocol for this page. What stops the page (offline, frozen) is for tests/real/pages. */
export const devtools = (method: string, params?: Readonly<Record<string, unknown>>): Promise<unknown> => commands.devtools(method, params);
