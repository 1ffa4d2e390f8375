// What the tests of the hooks share: a transport without a network, and roots that end with the test.

import type { Connection, ConnectionEvents, OpenRequest, Transport } from "@channelgate/client";
import { typed } from "@channelgate/client";
import { StrictMode, useEffect, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, vi } from "vitest";

/** One connection that a client has opened. */
export class Socket implements Connection {
  readonly sent: unknown[] = [];
  isOpen = true;
  constructor(
    readonly asked: OpenRequest,
    readonly events: ConnectionEvents,
  ) {}

  send(frame: unknown): boolean {
    this.sent.push(frame);
    return true;
  }
  close(): void {
    this.isOpen = false;
  }
  receive(event: string, data: unknown): void {
    this.events.frame({ event, data });
  }
  drop(code = 1006): void {
    this.isOpen = false;
    this.events.closed({ code, text: "" });
  }
}

/** A transport whose connections open by themselves, or when the test wants it. */
export function scripted(how: { manual?: boolean } = {}): Transport & { sockets: Socket[]; readonly last: Socket; readonly alive: number; readonly most: number } {
  const sockets: Socket[] = [];
  let most = 0;
  return {
    tokenIn: "query",
    dialect: typed,
    sockets,
    get last() {
      const last = sockets.at(-1);
      if (!last) throw new Error("No connection was opened.");
      return last;
    },
    get alive() {
      return sockets.filter(({ isOpen }) => isOpen).length;
    },
    /** How many were alive at once. */
    get most() {
      return most;
    },
    open(request, events) {
      const socket = new Socket(request, events);
      sockets.push(socket);
      most = Math.max(most, this.alive);
      if (!how.manual) queueMicrotask(() => socket.isOpen && events.opened());
      return socket;
    },
  };
}

const ends: (() => void)[] = [];

export interface Mounted {
  readonly element: HTMLElement;
  readonly text: () => string | null;
  readonly render: (node: ReactNode) => void;
  readonly unmount: () => void;
}

export function mount(node: ReactNode, { strict = true }: { strict?: boolean } = {}): Mounted {
  const element = document.createElement("div");
  document.body.append(element);
  const root = createRoot(element);
  const render = (next: ReactNode) => root.render(strict ? <StrictMode>{next}</StrictMode> : next);
  let isMounted = true;
  const unmount = () => {
    if (isMounted) root.unmount();
    isMounted = false;
    element.remove();
  };
  ends.push(unmount);
  render(node);
  return { element, text: () => element.textContent, render, unmount };
}

/** So many frames, and after each all that React had to do by then: it renders and runs effects in tasks of its own, which may come later. */
export async function frames(count = 2): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => void requestAnimationFrame(resolve));
    await rendered();
  }
}

/** React works on roots in the order in which they asked, and runs effects before it renders another one. */
async function rendered(): Promise<void> {
  const root = createRoot(document.createElement("div"));
  await new Promise<void>((resolve) => root.render(<Last done={resolve} />));
  root.unmount();
}

function Last({ done }: { done: () => void }) {
  useEffect(done, [done]);
  return null;
}

/** Asserts that nothing was written to the console as an error in any test of the file. */
export function noConsoleErrors(): void {
  beforeEach(() => {
    vi.spyOn(console, "error");
  });
  afterEach(() => {
    expect(console.error).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
}

afterEach(() => {
  for (const end of ends.splice(0)) end();
});
