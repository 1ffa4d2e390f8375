// The words that all parts of the client share: what it does at the moment, what an application configures, and what a
// transport and a dialect are.

/** What the connection does at the moment. */
export type Status = "idle" | "connecting" | "open" | "reconnecting" | "offline" | "unauthorized" | "failed" | "closed";

/** Whether events may be missing: no; they are loaded anew; yes. */
export type Recovery = "live" | "recovering" | "missed";

/** Why the connection is not open, or was lost the last time. `text` is for people, and never contains a token. */
export interface Reason {
  readonly kind: "network" | "closed" | "refused" | "token" | "heartbeat" | "config";
  readonly code?: number;
  readonly text: string;
}

/** A time in which events may have been lost. Times are milliseconds since 1970; `groups` is null if it may be any. */
export interface Missed {
  readonly reason: "reconnected" | "gap" | "impossible" | "resumed-from-cache" | "outbox";
  readonly detail?: string;
  readonly groups: readonly string[] | null;
  readonly since: number;
  readonly until: number;
}

/** The state of a client: immutable, and the same object until something changes. */
export interface Snapshot {
  readonly status: Status;
  readonly recovery: Recovery;
  readonly missed: Missed | null;
  /** Failed attempts since the connection was last stable. */
  readonly attempt: number;
  /** When the next attempt is made, in milliseconds since 1970. */
  readonly retryAt: number | null;
  /** Since when the status is what it is. */
  readonly since: number;
  readonly reason: Reason | null;
  /** The device's network; null where it is not known. A dead socket on a good network does not make it false. */
  readonly online: boolean | null;
  /** The node that serves this connection, and the connection's id, where the server sends them. */
  readonly node: string | null;
  readonly id: string | null;
  /** Milliseconds of the last heartbeat from sent to answered. */
  readonly latency: number | null;
  /** Messages that wait for the connection. */
  readonly queued: number;
  /** Whether the node has replayed what was missed when the connection was opened again; null the first time. */
  readonly recovered: boolean | null;
  /** Connections that were lost since the client was made. */
  readonly drops: number;
}

/** Names of events and their data. Open for module augmentation; or `createClient<MyEvents>()`. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- applications add their events to it
export interface Events {}

/** What a handler gets beside the data. */
export interface Meta {
  readonly event: string;
  /** The frame as the dialect has read it; with Socket.IO the event's arguments. */
  readonly frame: unknown;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
}

export interface TokenContext {
  readonly attempt: number;
  readonly why: "first" | "retry" | "expired" | "refused";
  readonly signal: AbortSignal;
}

/**
 * A token, or a function that fetches one for each attempt. null: there is none, and none will come by waiting. An empty
 * text: the connection is made without one.
 */
export type Token = string | null | ((context: TokenContext) => string | null | Promise<string | null>);

/** What a close code or a refusal means. `expired`: one fresh token at once, and `unauthorized` if it does not help. */
export type Verdict = "retry" | "retry-later" | "retry-soon" | "expired" | "unauthorized" | "failed" | "closed";

/** An event with its name. */
export interface Named {
  readonly event: string;
  readonly data: unknown;
}

/** How a server writes its events and reads messages, rooms and topics. */
export interface Dialect {
  /** Makes an event of a frame: parsed JSON, or the text where it is none. null: no event. */
  read(frame: unknown): Named | null;
  /** Makes a frame of a message. */
  write(event: string, data: unknown): unknown;
  /** The message that joins or leaves a room, or (un)subscribes a topic; null if the server has none for it. */
  interest(kind: "room" | "topic", name: string, wanted: boolean): Named | null;
}

/** What a transport is to open. */
export interface OpenRequest {
  /** Absolute, http(s) or ws(s). */
  readonly url: URL;
  readonly token: string | null;
  readonly tokenIn: TokenIn;
}

export type TokenIn = "query" | "subprotocol" | "auth";

/** What a connection tells the client, never before `open` has returned it; nothing more after `closed`. */
export interface ConnectionEvents {
  /**
   * With what the transport knows of the connection itself; a `hello` of the node says more. `recovered`: the server
   * replays all that was missed.
   */
  opened(known?: { readonly node: string | null; readonly id: string | null; readonly recovered?: boolean }): void;
  /** A frame: parsed JSON or text (WebSocket), `{event, data, args}` (Socket.IO). */
  frame(frame: unknown): void;
  /** `verdict` where the transport knows better than the table of close codes; `code` is 0 where there is none. */
  closed(how: { code: number; text: string; verdict?: Verdict }): void;
}

/** One connection. It makes no attempt of its own to come back. */
export interface Connection {
  /** Writes a frame of the dialect; false if it cannot be written now. */
  send(frame: unknown): boolean;
  /** Asks for a sign of life; any frame is one. Absent where the transport has a heartbeat of its own. */
  ping?(): void;
  /** For transports without `ping`, after sleep: closes the connection if it has missed a heartbeat of the server. */
  check?(): void;
  /**
   * Sends and waits for the acknowledgement; rejects with `TimedOut` after `timeout` ms, with `Disconnected` when the
   * connection ends, and with the signal's reason. Absent where the transport has none.
   */
  request?(event: string, data: unknown, timeout: number, signal?: AbortSignal): Promise<unknown>;
  close(code?: number): void;
}

/** Opens connections: `webSocket()`, or `socketIo()` of "@channelgate/client/socketio". */
export interface Transport {
  readonly tokenIn: TokenIn;
  /** The dialect of servers with this transport, unless the application has another one. */
  readonly dialect: Dialect;
  /**
   * Whether it is for use without a page. On a server (no `document`, and no `lifecycle` in the options) a client connects
   * with such a transport only: `webSocket({ WebSocket })`, or `{ ...socketIo(), anywhere: true }`.
   */
  readonly anywhere?: boolean;
  /** Throws where no connection can be made of the request, for a reason that waiting does not change. */
  open(request: OpenRequest, events: ConnectionEvents): Connection;
}

/** What a page or an app says about itself. Each function subscribes, and returns what ends it. */
export interface Lifecycle {
  /** null where it is not known. */
  online(): boolean | null;
  hidden(): boolean;
  /** `wake` also after sleep, `away`: the page is put aside, `back`: it was taken from where it was put. */
  watch(on: (what: "online" | "offline" | "visible" | "hidden" | "wake" | "away" | "back" | "storage") => void): () => void;
}

export type Logger = (line: string, detail?: unknown) => void;

export interface Options {
  /** Default: this page's origin. http(s) becomes ws(s); relative is allowed. */
  url?: string | URL | (() => string | URL | Promise<string | URL>);
  token?: Token;
  /** Default: `query` for WebSocket, `auth` for Socket.IO; `subprotocol` keeps it out of logs. */
  tokenIn?: TokenIn;
  dialect?: Dialect;
  transport?: Transport;
  backoff?: { base?: number; cap?: number; attempts?: number; giveUp?: boolean; strategy?: (n: number) => number };
  heartbeat?: false | { interval?: number; timeout?: number };
  outbox?: { messages?: number; bytes?: number; age?: number };
  connectTimeout?: number;
  stableAfter?: number;
  linger?: number;
  closeCodes?: Readonly<Record<number, Verdict>>;
  lifecycle?: Lifecycle;
  log?: Logger;
}

/** Names of events: those of `E`, or any text where `E` is empty. */
export type Name<E> = [keyof E] extends [never] ? string : Extract<keyof E, string>;
/** The data of an event. */
export type Data<E, K> = K extends keyof E ? E[K] : unknown;

export interface Client<E = Events> {
  snapshot(): Snapshot;
  subscribe(listener: () => void): () => void;
  /** Counts users: the first opens the connection, the last closes it, `linger` ms later. */
  acquire(): () => void;
  connect(): void;
  disconnect(): void;
  /** Tries again at once; also leaves `failed` and `unauthorized`. */
  reconnect(why?: string): void;
  /** Handles an event; `"*"` all of them. */
  on<K extends Name<E> | "*">(event: K, handler: (data: Data<E, K>, meta: Meta) => void): () => void;
  send(event: string, data?: unknown, how?: { volatile?: boolean }): "sent" | "queued" | "dropped";
  /** Sends and waits for the acknowledgement of Socket.IO; rejects with `TimedOut` or `Disconnected`. */
  request<R>(event: string, data?: unknown, how?: { timeout?: number; signal?: AbortSignal }): Promise<R>;
  /** Joins a room or subscribes to a topic, now and after each reconnect, until the returned function is called. */
  want(kind: "room" | "topic", name: string): () => void;
  onMissed(handler: (missed: Missed, signal: AbortSignal) => void | Promise<void>): () => void;
  /** What is shown has been loaded anew: missed → live. */
  fresh(): void;
  /** Takes another token for the next attempt; leaves `unauthorized`. */
  setToken(token: Token): void;
}
