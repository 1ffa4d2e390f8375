// Connections over a plain WebSocket: of the page, or of a class that the application hands in (Node, tests).

import { typed } from "./dialect.js";
import type { Connection, ConnectionEvents, OpenRequest, Transport } from "./types.js";

/** What is used of a WebSocket. */
export interface WebSocketLike {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number): void;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
}

export interface WebSocketOptions {
  /** Default: the one of the page. With a class of its own a client also connects in Node. */
  WebSocket?: new (url: string, protocols?: string[]) => WebSocketLike;
}

const OPEN = 1;

/** Connects by WebSocket. Asks with `?cg=1` for `hello`, notices of gaps, and a reason where it is refused. */
export function webSocket(options: WebSocketOptions = {}): Transport {
  return {
    tokenIn: "query",
    dialect: typed,
    anywhere: options.WebSocket !== undefined,
    open: (request, events) => open(options.WebSocket ?? WebSocket, request, events),
  };
}

function open(Socket: new (url: string, protocols?: string[]) => WebSocketLike, { url, token, tokenIn }: OpenRequest, events: ConnectionEvents): Connection {
  // React Native's URL has no setters.
  const address = new URL(url.href.replace(/^http/, "ws"));
  address.searchParams.set("cg", "1");
  const isInProtocol = token !== null && tokenIn === "subprotocol";
  if (token !== null && !isInProtocol) address.searchParams.set("token", token);
  const socket = new Socket(address.href, isInProtocol ? ["access_token", token] : []);
  socket.onopen = () => events.opened();
  socket.onmessage = ({ data }: { data: unknown }) => events.frame(parsed(data));
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => events.closed({ code, text: reason });
  // `close` follows. Node's classes throw where nothing listens.
  socket.onerror = () => undefined;
  return {
    send(frame) {
      const isOpen = socket.readyState === OPEN;
      if (isOpen) socket.send(JSON.stringify(frame));
      return isOpen;
    },
    ping: () => socket.send("ping"),
    close: (code) => socket.close(code),
  };
}

/** JSON, or what it is. */
function parsed(content: unknown): unknown {
  try {
    return typeof content === "string" ? JSON.parse(content) : content;
  } catch {
    return content;
  }
}
