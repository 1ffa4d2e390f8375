// Connections over a plain WebSocket: of the page, or of a class that the application hands in (Node, tests).

import { typed } from "./dialect.js";
import { OPEN } from "./numbers.js";
import type { Transport } from "./types.js";

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

/** Connects by WebSocket. Asks with `?cg=1` for `hello`, notices of gaps, and a reason where it is refused. */
export function webSocket(options: WebSocketOptions = {}): Transport {
  return {
    tokenIn: "query",
    dialect: typed,
    anywhere: !!options.WebSocket,
    open({ url, token, tokenIn }, events) {
      const protocols: string[] = [];
      // React Native's URL has no setters.
      const address = new URL(url.href.replace(/^http/, "ws"));
      address.searchParams.set("cg", "1");
      if (token !== null) {
        if (tokenIn === "subprotocol") protocols.push("access_token", token);
        else address.searchParams.set("token", token);
      }
      const socket = new (options.WebSocket ?? WebSocket)(address.href, protocols) as WebSocketLike;
      socket.onopen = () => events.opened();
      socket.onmessage = ({ data }: { data: string }) => events.frame(parsed(data));
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
    },
  };
}

/** JSON, or what it is: other text, or bytes. */
function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}
