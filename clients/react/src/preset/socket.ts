// What the documents' code calls `socket`: on, off and emit of Socket.IO, over a client that reconnects. It can be used before
// the connection is open, and it is the same object for ever.

import type { Client } from "@channelgate/client";

import type { AnyClient } from "../context.js";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- not exported: handlers of all events in one list
type Handler = (data: any) => void;

export interface Socket {
  readonly connected: boolean;
  readonly id: string | null;
  /** Also `connect` and `disconnect`. Returns what ends it. */
  on<T = unknown>(event: string, handler: (data: T) => void): () => void;
  off<T = unknown>(event: string, handler?: (data: T) => void): void;
  /** Waits for the connection, up to the limits of the outbox. */
  emit(event: string, data?: unknown): void;
}

const sockets = new WeakMap<object, Socket>();

/** The socket of a client: always the same. */
export function socketOf(client: AnyClient): Socket {
  let own = sockets.get(client);
  if (!own) sockets.set(client, (own = socket(() => client)));
  return own;
}

export function socket(client: () => AnyClient): Socket {
  let handlers: { event: string; handler: Handler; stop: () => void }[] = [];
  const isOpen = () => client().snapshot().status === "open";

  const listen = (event: string, handler: Handler): (() => void) => {
    if (event !== "connect" && event !== "disconnect") return (client() as unknown as Client).on(event, (data) => handler(data));
    let wasOpen = isOpen();
    return client().subscribe(() => {
      if (isOpen() === wasOpen) return;
      wasOpen = !wasOpen;
      if (wasOpen === (event === "connect")) handler(client().snapshot().reason?.text);
    });
  };
  const remove = (entries: typeof handlers) => {
    handlers = handlers.filter((entry) => !entries.includes(entry));
    for (const { stop } of entries) stop();
  };

  return {
    get connected() {
      return isOpen();
    },
    get id() {
      return client().snapshot().id;
    },
    on: (event, handler) => {
      const entry = { event, handler, stop: listen(event, handler) };
      handlers.push(entry);
      return () => remove([entry]);
    },
    // As with Socket.IO: one registration of this handler, or all handlers of the event.
    off: (event, handler) => {
      const found = handlers.filter((entry) => entry.event === event && (handler === undefined || entry.handler === handler));
      remove(handler === undefined ? found : found.slice(0, 1));
    },
    emit: (event, data) => void client().send(event, data),
  };
}
