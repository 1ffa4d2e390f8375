// Socket.IO: a transport over socket.io-client, an optional peer that is imported only here. The client's own state
// machine reconnects: socket.io-client does nothing more after a refusal, and asks for no fresh token.

import { Manager, type ManagerOptions } from "socket.io-client";

import { verdictOfReason } from "./closecodes.js";
import { Disconnected, TimedOut } from "./errors.js";
import type { Connection, ConnectionEvents, Dialect, OpenRequest, Transport, Verdict } from "./types.js";

export { socketOf, type Socket, type SocketClient } from "./socket.js";

export interface SocketIoOptions {
  /** The path of Engine.IO, by default "/socket.io/". The path of the client's `url` is the namespace, as with `io(url)`. */
  path?: string;
  /** By default ["websocket"]. With "polling" first, it works through proxies that do not let WebSockets pass. */
  transports?: readonly ("websocket" | "polling")[];
  /** Goes to the server beside the token, in `auth`. */
  auth?: Readonly<Record<string, unknown>>;
  /** What refusals of this server mean, by their message: `{ "User not found": "unauthorized" }`. */
  refusals?: Readonly<Record<string, Verdict>>;
  /** Other options of socket.io-client: `withCredentials`, `extraHeaders` … */
  manager?: Partial<ManagerOptions>;
}

/** An event as it came. To answer the server's request for an acknowledgement, call the last of `args`. */
export interface SocketIoFrame {
  readonly event: string;
  readonly data?: unknown;
  /** All arguments; a dialect that writes them sends an event with several. */
  readonly args?: readonly unknown[];
}

/** Close codes of the node that mean the same over Socket.IO; any other end of a transport is followed by a retry. */
const MEANT = [1009, 1011, 1012, 1013];

/** An id of Engine.IO that begins with the name of a Channelgate node. */
const SESSION = /^([a-z\d]{1,64})\.[\w-]{23}$/i;

/** A transport for `createClient`. Each client has a connection of its own. */
export function socketIo(options: SocketIoOptions = {}): Transport {
  return { tokenIn: "auth", dialect: rooms(), open: (request, events) => open(options, request, events) };
}

/** A dialect whose rooms are joined and left by an event with the room's name, or with what `data` makes of it. */
export function rooms(join = "join", leave = "leave", data: (room: string) => unknown = (room) => room): Dialect {
  return {
    read: (frame) => {
      const { event, data } = frame as SocketIoFrame;
      return { event, data };
    },
    write: (event, data) => ({ event, data }),
    interest: (kind, room, wanted) => (kind === "room" ? { event: wanted ? join : leave, data: data(room) } : null),
  };
}

function open(options: SocketIoOptions, { url, token, tokenIn }: OpenRequest, events: ConnectionEvents): Connection {
  const shown = token === null ? {} : { token };
  // There are no subprotocols here; in `auth` it is kept out of logs as well.
  const isInQuery = tokenIn === "query";
  // Not `io()`, whose connections are shared by clients of one origin.
  const manager = new Manager(url.origin, {
    path: options.path ?? "/socket.io/",
    transports: [...(options.transports ?? ["websocket"])],
    ...options.manager,
    query: { ...options.manager?.query, ...Object.fromEntries(url.searchParams), ...(isInQuery && shown) },
    reconnection: false,
    autoConnect: false,
    // The client has a time limit of its own.
    timeout: 2 ** 31 - 1,
  });
  const socket = manager.socket(url.pathname, { auth: { ...options.auth, cg: 1, ...(!isInQuery && shown) } });
  let isOpen = false;
  let isClosed = false;

  const opened = () => {
    if (isOpen || isClosed) return;
    isOpen = true;
    // The rest of the session's id is a secret.
    events.opened({ node: SESSION.exec(manager.engine.id)?.[1] ?? null, id: socket.id ?? null });
  };
  const end = () => {
    isClosed = true;
    socket.disconnect();
  };
  const closed = (how: Parameters<ConnectionEvents["closed"]>[0]) => {
    if (isClosed) return;
    end();
    events.closed(how);
  };

  // An event may come before the answer that opens the namespace.
  socket.onAny((event: string, ...args: unknown[]) => {
    opened();
    if (!isClosed) events.frame({ event, data: args[0], args });
  });
  socket.on("connect", opened);
  socket.on("connect_error", (error) => closed(refused(error, options.refusals)));
  socket.on("disconnect", (reason, description) => closed(lost(reason, description)));
  socket.connect();

  const args = ({ data, args }: SocketIoFrame) => args ?? (data === undefined ? [] : [data]);
  return {
    send: (frame) => {
      if (!socket.connected) return false;
      socket.emit((frame as SocketIoFrame).event, ...args(frame as SocketIoFrame));
      // It keeps what it cannot send, if it finds that it has missed a ping; this connection will not send it.
      return socket.sendBuffer.length === 0;
    },
    request: (event, data, timeout, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const abort = () => reject(signal?.reason as Error);
        signal?.addEventListener("abort", abort);
        const answer = socket.timeout(timeout).emitWithAck(event, ...args({ event, data }));
        const failed = ({ message }: Error) =>
          reject(message.includes("timed out") ? new TimedOut(`${event}: no acknowledgement within ${timeout} ms`) : new Disconnected(`${event}: ${message}`));
        void answer.then(resolve, failed).then(() => signal?.removeEventListener("abort", abort));
        if (socket.sendBuffer.length > 0) failed(new Error("the connection is lost"));
      }),
    check: () => void manager.engine._hasPingExpired?.(),
    close: end,
  };
}

/** A connection that did not open: refused by the server with a message, or no transport was possible. */
function refused(error: Error, refusals: SocketIoOptions["refusals"]): Parameters<ConnectionEvents["closed"]>[0] {
  const { message } = error;
  if ("data" in error) return { code: 0, text: message, verdict: refusals?.[message] ?? verdictOfReason(message) ?? "expired" };
  if (message.includes("v2.x")) return { code: 0, text: message, verdict: "failed" };
  // A status of HTTP (polling), or an event with a message that has one (WebSocket in Node; browsers do not tell).
  const { description } = error as { description?: number | { message?: string } };
  const detail = typeof description === "object" ? (description.message ?? "") : `${description ?? ""}`;
  const [status] = /\d+$/.exec(detail) ?? [];
  return { code: 1006, text: `${message} ${detail}`.trim(), verdict: verdictOfReason(`HTTP ${status}`) ?? "retry" };
}

/** A connection that was open, or was about to be. */
function lost(reason: string, description: unknown): Parameters<ConnectionEvents["closed"]>[0] {
  const verdict = verdictOfReason(reason) ?? "retry";
  if (verdict === "expired") return { code: 0, text: reason, verdict };
  const frame = (description as { context?: { code?: number; reason?: string } } | undefined)?.context;
  const code = frame?.code ?? 1006;
  const text = frame?.reason || reason;
  return MEANT.includes(code) ? { code, text } : { code, text, verdict };
}
