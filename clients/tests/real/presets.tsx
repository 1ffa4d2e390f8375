// What the tests of the five systems' presets share: components in StrictMode, and events that are counted.

import { StrictMode, version, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi, type MockInstance } from "vitest";

import { until } from "./rig.js";

/** A test of what no version of React changes: with one of them. The snippets run with both. */
export const itOnce: typeof it = version.startsWith("19.") ? it : (it.skip as typeof it);

const ends: (() => void)[] = [];

export interface Mounted {
  readonly element: HTMLElement;
  readonly text: () => string;
  readonly render: (node: ReactNode) => void;
  readonly unmount: () => void;
}

export function mount(node: ReactNode): Mounted {
  const element = document.body.appendChild(document.createElement("div"));
  const root = createRoot(element);
  const render = (next: ReactNode) => root.render(<StrictMode>{next}</StrictMode>);
  let isMounted = true;
  const unmount = () => {
    if (isMounted) root.unmount();
    isMounted = false;
    element.remove();
  };
  ends.push(unmount);
  render(node);
  return { element, text: () => element.innerText, render, unmount };
}

/** What the documents' code writes to the console. */
export let log: MockInstance<typeof console.log>;

beforeEach(() => {
  log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  vi.spyOn(console, "error");
});

afterEach(() => {
  for (const end of ends.splice(0)) end();
  // React warns there.
  const errors = vi.mocked(console.error).mock.calls;
  vi.restoreAllMocks();
  localStorage.clear();
  expect(errors).toEqual([]);
});

/** The second argument of each call of console.log with this first one. */
export const logged = <T,>(title: string): T[] => log.mock.calls.filter(([first]) => first === title).map(([, second]) => second as T);

let number = 0;

/**
 * Publishes numbered events until one is seen: a page is open before the node has carried out its joins. Then what was
 * published after that one has come as well, so that nothing is on its way to what the test does next.
 */
export async function reaches(publish: (n: number) => Promise<unknown>, seen: () => readonly number[]): Promise<void> {
  const before = number;
  await until("an event", async () => {
    if (seen().some((n) => n > before)) return true;
    await publish(++number);
    return false;
  });
  await until("the last event", () => seen().some((n) => n >= number));
}

/** Each number once: nothing was handled twice. */
export const expectOnce = (seen: readonly number[]): void => expect([...new Set(seen)]).toEqual(seen);

interface Node {
  metric(name: string, label?: string): Promise<number>;
}

/** One socket, and no other since the node was started. A node that is not ready yet may have refused an attempt before. */
export async function expectOneSocket(node: Node): Promise<void> {
  await until("one connection", async () => (await node.metric("channelgate_connections")) === 1);
  expect(await node.metric("channelgate_handshakes_total", 'outcome="accepted"')).toBe(1);
}

/**
 * Starts a killed node, and waits until it has a connection. On a slow machine the five attempts may be over by then, or the
 * next one far away; the network's return is a reason for another.
 */
export async function startAgain(node: Node & { start(): Promise<unknown> }): Promise<void> {
  await node.start();
  await until("a connection", async () => {
    if ((await node.metric("channelgate_connections")) > 0) return true;
    window.dispatchEvent(new Event("online"));
    return false;
  });
}
