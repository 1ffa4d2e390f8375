// What tests in a browser ask of this side: nodes, Redis, the channel layer, links that break, and DevTools.
// Two commands of Vitest carry all of it; `../rig.ts` is their typed side in the browser.

import type {} from "@vitest/browser-playwright";
import type { BrowserCommand } from "vitest/node";

import { Chaos } from "./chaos.js";
import { Gate, type GateOptions } from "./gate.js";
import { Layer } from "./layer.js";
import { Redis } from "./redis.js";

const start = {
  gate: (options: GateOptions): Promise<Gate> => Gate.start(options),
  redis: (): Promise<Redis> => Redis.start(),
  layer: (redisUrl: string, kind?: "core" | "pubsub"): Layer => new Layer(redisUrl, kind),
  chaos: (target: number): Promise<Chaos> => Chaos.start(target),
};

export type Starts = typeof start;
/** What can be started. */
export type Kind = keyof Starts;
export type Started<K extends Kind> = Awaited<ReturnType<Starts[K]>>;
/** An order to this side: start something, call a method of the thing with this number, or end all of the file. */
export type Order =
  | { do: "start"; kind: Kind; args: readonly unknown[] }
  | { do: "call"; id: number; name: string; args: readonly unknown[] }
  | { do: "close" };

/** What the tests of each file have started; a file runs once per project. */
const files = new Map<string, Started<Kind>[]>();

export const rig: BrowserCommand<[order: Order]> = async ({ project, testPath }, order) => {
  const file = `${project.name} ${testPath ?? ""}`;
  const things = files.get(file) ?? [];
  files.set(file, things);
  if (order.do === "start") {
    const thing = await (start[order.kind] as (...args: readonly unknown[]) => Promise<Started<Kind>> | Started<Kind>)(...order.args);
    return { id: things.push(thing) - 1, port: "port" in thing ? thing.port : 0, url: "url" in thing ? thing.url : "" };
  }
  if (order.do === "close") {
    files.delete(file);
    await Promise.all(things.map((thing) => thing.close()));
    return undefined;
  }
  const thing = things[order.id] as unknown as Record<string, unknown>;
  const member = thing[order.name];
  return typeof member === "function" ? (member as (...args: readonly unknown[]) => unknown).apply(thing, order.args as unknown[]) : member;
};

/** Sends a command of the Chrome DevTools Protocol to the page of the tests. */
export const devtools: BrowserCommand<[method: string, params?: Readonly<Record<string, unknown>>]> = async ({ context, page }, method, params) => {
  const session = await context.newCDPSession(page);
  return session.send(method as "Page.enable", params as never);
};
