// What the documents' code calls `socket`: on, off and emit of Socket.IO, over a client that reconnects. It can be used before
// the connection is open, and it is the same object for ever.

import type { Client } from "@channelgate/client";

import type { AnyClient } from "../context.js";

export interface Socket {
  readonly connected: boolean;
  readonly id: string | null;
  /** Also `connect` and `disconnect`. Returns what ends it. */
  on<T = unknown>(this: void, event: string, handler: (data: T) => void): () => void;
  /** One registration of this handler, or all handlers of the event. */
  off<T = unknown>(this: void, event: string, handler?: (data: T) => void): void;
  /** Waits for the connection, up to the limits of the outbox. */
  emit(this: void, event: string, data?: unknown): void;
}

interface Entry {
  readonly event: string;
  readonly handler: unknown;
  readonly end: () => void;
}

export function socket(client: () => AnyClient): Socket {
  const entries = new Set<Entry>();
  const isOpen = () => client().snapshot().status === "open";

  const listen = (event: string, handler: (data: never) => void) => {
    if (!/^(dis)?connect$/.test(event)) return (client() as unknown as Client).on(event, (data) => handler(data as never));
    let isConnected = isOpen();
    return client().subscribe(() => {
      if (isConnected !== (isConnected = isOpen()) && isConnected === (event === "connect")) handler(undefined as never);
    });
  };

  return {
    get connected() {
      return isOpen();
    },
    get id() {
      return client().snapshot().id;
    },
    on: (event, handler) => {
      const stop = listen(event, handler);
      const end = () => {
        entries.delete(entry);
        stop();
      };
      const entry = { event, handler, end };
      entries.add(entry);
      return end;
    },
    off: (event, handler) => {
      for (const entry of entries) {
        if (entry.event !== event || (handler && entry.handler !== handler)) continue;
        entry.end();
        if (handler) return;
      }
    },
    emit: (event, data) => void client().send(event, data),
  };
}

const sockets = new WeakMap<object, Socket>();

/** The socket of a client: always the same. */
export function socketOf(client: AnyClient): Socket {
  const own = sockets.get(client) ?? socket(() => client);
  sockets.set(client, own);
  return own;
}
