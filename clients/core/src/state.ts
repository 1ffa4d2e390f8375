// The words of the state machine: its state, what it reacts to, and what it wants done.

import type { Backoff } from "./backoff.js";
import type { Kind, Wanted } from "./interest.js";
import type { OutboxLimits, Queued } from "./outbox.js";
import type { Missed, Named, Reason, Recovery, Snapshot, TokenContext, Verdict } from "./types.js";

/** The options, with their defaults. */
export interface Config {
  readonly backoff: Backoff;
  /** `always`: the application says that the server answers pings, with or without `hello`. */
  readonly heartbeat: false | { readonly interval: number; readonly timeout: number; readonly always: boolean };
  readonly outbox: OutboxLimits;
  readonly connectTimeout: number;
  readonly stableAfter: number;
  readonly linger: number;
  readonly closeCodes: Readonly<Record<number, Verdict>>;
}

/**
 * What happens at a time: `retry` the next attempt, `connect` the end of a token request or handshake, `shown` the
 * connection counts as open, `stable` the back-off begins anew, `beat` a ping, `pong` the end of waiting for its answer,
 * `recover` the handlers of `onMissed` start, `leave` the last user is gone, `release` an interest is, `expire` a message is too old.
 */
export type Timer = "expire" | "release" | "leave" | "connect" | "pong" | "shown" | "stable" | "beat" | "recover" | "retry";

/** `off`: nothing is tried. `asking`: for a token. `up`: the socket is open. `away`: the page was put aside. */
export type Phase = "off" | "waiting" | "asking" | "opening" | "up" | "away";

export interface State {
  readonly config: Config;
  readonly view: Snapshot;
  readonly now: number;
  readonly phase: Phase;
  /** Counts attempts: inputs of an earlier one are ignored. */
  readonly turn: number;
  /** The status while it is not tried, or tried in the background. */
  readonly end: "idle" | "closed" | "failed" | "unauthorized" | null;
  readonly at: Readonly<Partial<Record<Timer, number>>>;
  readonly reason: Reason | null;
  readonly users: number;
  readonly wanted: readonly Wanted[];
  readonly queue: readonly Queued[];
  /** Written to a connection that may still turn out to be refused. */
  readonly unsure: readonly Queued[];
  readonly lost: number;
  /** Whether there is a token to be shown. */
  readonly hasToken: boolean;
  readonly why: TokenContext["why"];
  readonly failures: number;
  readonly unknown: number;
  readonly refused: number;
  /** Until when another "expired" means that a fresh token does not help. */
  readonly doubtful: number;
  /** When the last attempt began, when it would be time without regard to the hidden tab, and whether one has failed. */
  readonly tried: number;
  readonly due: number;
  readonly retried: boolean;
  readonly shown: boolean;
  readonly wasOpen: boolean;
  readonly drops: number;
  readonly hiddenSince: number | null;
  readonly online: boolean | null;
  /** Whether the connection can ask for signs of life, and whether its server answers. */
  readonly pings: boolean;
  readonly answers: boolean;
  readonly heard: number;
  readonly lastSeen: number;
  readonly pinged: number;
  readonly latency: number | null;
  readonly node: string | null;
  readonly id: string | null;
  readonly recovery: Recovery;
  readonly missed: Missed | null;
  readonly recovered: boolean | null;
  /** What the server said of a replay on this connection. */
  readonly resumed: boolean;
  /** Whether all clients miss the same at the same time. */
  readonly shared: boolean;
  /** Counts runs of the handlers of `onMissed`, and those that failed. */
  readonly run: number;
  readonly reruns: number;
}

export type PageEvent = "online" | "offline" | "visible" | "hidden" | "wake" | "away" | "back" | "storage";

export type Input =
  | { readonly type: "connect" | "disconnect" | "acquire" | "release" | "fresh" | "handler" | "tick" | PageEvent }
  | { readonly type: "page"; readonly online: boolean | null; readonly hidden: boolean }
  | { readonly type: "reconnect"; readonly why?: string | undefined }
  | { readonly type: "token"; readonly hasToken: boolean }
  | { readonly type: "ready"; readonly turn: number }
  | { readonly type: "opened"; readonly turn: number; readonly pings: boolean }
  | { readonly type: "frame"; readonly turn: number; readonly named: Named | null }
  | { readonly type: "closed"; readonly turn: number; readonly code: number; readonly text: string; readonly verdict?: Verdict | undefined; readonly kind?: Reason["kind"]; readonly after?: number }
  | { readonly type: "send"; readonly message: Queued; readonly volatile: boolean }
  | { readonly type: "unsent"; readonly message: Queued }
  | { readonly type: "want"; readonly kind: Kind; readonly name: string; readonly change: 1 | -1 }
  | { readonly type: "ran"; readonly run: number; readonly ok: boolean | null };

export type Effect =
  | { readonly do: "ask"; readonly turn: number; readonly attempt: number; readonly why: TokenContext["why"] }
  | { readonly do: "open"; readonly turn: number }
  | { readonly do: "drop"; readonly code: number }
  | { readonly do: "ping" }
  | { readonly do: "send"; readonly message: Queued }
  | { readonly do: "tell"; readonly kind: Kind; readonly name: string; readonly wanted: boolean }
  | { readonly do: "recover"; readonly run: number; readonly missed: Missed }
  | { readonly do: "abort" }
  | { readonly do: "lost"; readonly count: number };

/** A copy of the state that a step works on. */
export type Draft = { -readonly [K in keyof State]: State[K] } & {
  at: Partial<Record<Timer, number>>;
  random: number;
  effects: Effect[];
};
