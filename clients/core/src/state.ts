// The words of the state machine: its state, what it reacts to, and what it wants done.

import type { Interests, Kind } from "./interest.js";
import type { Queued } from "./outbox.js";
import type { ConnectionEvents, Missed, Options, Reason, Snapshot, TokenContext, Verdict } from "./types.js";

/** Options that are rules; their defaults stand where they are used. */
export type Config = Pick<Options, "backoff" | "heartbeat" | "outbox" | "connectTimeout" | "stableAfter" | "linger" | "closeCodes">;

/**
 * What is due at a time: `linger` what has no users any more ends, `connect` the end of a
 * token request or handshake, `pong` the end of waiting for an answer, `show` the connection counts as open, `stable` the
 * back-off begins anew, `beat` a ping, `recover` the handlers of `onMissed` start, `retry` the next attempt.
 */
export type Timer = "linger" | "connect" | "pong" | "show" | "stable" | "beat" | "recover" | "retry";

export type Timers = { linger: number } & Partial<Record<Timer, number>>;

/** `off`: nothing is tried. `asking`: for a token. `up`: the socket is open. `away`: the page was put aside. */
export type Phase = "off" | "waiting" | "asking" | "opening" | "up" | "away";

/** Options and what the application sees are part of it; `view` is the object that the application gets. */
export interface State extends Snapshot, Config {
  readonly view: Snapshot;
  readonly now: number;
  readonly phase: Phase;
  /** The status while nothing is tried, or while it is tried in the background. */
  readonly end: "idle" | "closed" | "failed" | "unauthorized" | null;
  /** When something is due; without it, or Infinity: it is not. */
  readonly at: Readonly<Timers>;
  /** undefined: `connect()` has no users to count. */
  readonly users: number | undefined;
  readonly wanted: Interests;
  /** What waits, and what was written to a connection that may still turn out to be refused. */
  readonly queue: readonly Queued[];
  readonly lost: number;
  readonly logged: number;
  readonly why: TokenContext["why"];
  /** Retries after a code that the table does not have, and attempts in a row that never opened. */
  readonly odd: number;
  readonly refused: number;
  /** Until when another "expired" means that a fresh token does not help. */
  readonly doubt: number;
  /** When the last attempt began. */
  readonly tried: number;
  readonly shown: boolean;
  /** Whether the page was taken from where it was put aside, and has not been connected since. */
  readonly stored: boolean;
  /** Since when the page is hidden; 0: it is not. */
  readonly hidden: number;
  /** Whether the connection can ask for signs of life, and whether its server answers. */
  readonly pings: boolean;
  readonly answers: boolean;
  /** Whether no frame has come through this connection yet. */
  readonly isNew: boolean;
  /** When the last frame came, or the connection was shown; undefined until then. And when a ping was sent whose answer has not come. */
  readonly heard: number;
  readonly pinged: number;
  /** Runs of the handlers of `onMissed` that have failed, one after the other. */
  readonly reruns: number;
}

/** What a transport knows of its connection; `recovered`: the server replays what was missed. */
export type Known = Parameters<ConnectionEvents["opened"]>[0];

/** Names of inputs, and what comes with them. The driver gives none of an attempt or connection that was dropped. */
export interface Inputs {
  connect: [];
  disconnect: [];
  reconnect: [why?: string | undefined];
  /** One user more or less. */
  acquire: [change: 1 | -1];
  /** Another token was set. */
  token: [];
  /** The token and the address for the attempt are there, and the connection is being opened. */
  ready: [];
  opened: [pings: boolean, known?: Known];
  /** The answer to a ping. */
  pong: [];
  /** Without `event`, if the dialect has read none. */
  frame: [event?: string | undefined, data?: unknown];
  closed: [code: number, text: string, verdict?: Verdict | undefined, kind?: Reason["kind"] | undefined, after?: number | undefined];
  send: [message: Queued];
  /** The connection did not take it. */
  unsent: [message: Queued];
  /** More or fewer users of a room or topic. */
  want: [kind: Kind, name: string, change: 1 | -1];
  /** The handlers of `onMissed` have run: with success or without, or there was none. */
  ran: [ok: boolean | null];
  fresh: [];
  tick: [];
  /** What the page says of itself, also when it begins to be watched. */
  online: [];
  offline: [];
  visible: [];
  hidden: [];
  wake: [];
  away: [];
  back: [];
  storage: [];
}
export type Input = { [K in keyof Inputs]: readonly [K, ...Inputs[K]] }[keyof Inputs];

/** Names of effects, and what they need. */
export interface Effects {
  /** Fetches the token and opens a connection. */
  ask: [why: TokenContext["why"]];
  drop: [];
  ping: [];
  send: [message: Queued];
  tell: [what: { readonly kind: Kind; readonly name: string }, wanted: boolean];
  recover: [missed: Missed];
  abort: [];
  lost: [text: string];
}
export type Effect = { [K in keyof Effects]: readonly [K, ...Effects[K]] }[keyof Effects];

/** A copy of the state that a step works on. */
export type Draft = { -readonly [K in keyof State]: State[K] } & {
  at: Timers;
  random: number;
  do: (...effect: Effect) => void;
};
