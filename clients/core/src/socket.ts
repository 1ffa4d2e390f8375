// For code that was written for socket.io-client: on, off and emit of its socket, over a client that reconnects. It can be
// used before the connection is open, and it is the same object for ever.

import type { Client } from "./types.js";

/** What is used of a client, whatever its events are. */
export type SocketClient = Pick<Client, "snapshot" | "subscribe" | "send"> & { on: (event: never, handler: never) => () => void };

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

const sockets = new WeakMap<object, Socket>();

/** The socket of a client, or of the one that a function returns: always the same. */
export function socketOf(of: SocketClient | (() => SocketClient)): Socket {
  const known = sockets.get(of);
  if (known) return known;
  const client = typeof of === "function" ? of : () => of;
  const entries = new Set<Entry>();
  const isOpen = () => client().snapshot().status === "open";

  const listen = (event: string, handler: (data: never) => void) => {
    if (!/^(dis)?connect$/.test(event)) return (client() as unknown as Client).on(event, (data) => handler(data as never));
    let isConnected = isOpen();
    return client().subscribe(() => {
      if (isConnected !== (isConnected = isOpen()) && isConnected === (event === "connect")) handler(undefined as never);
    });
  };

  const socket: Socket = {
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
  sockets.set(of, socket);
  return socket;
}
