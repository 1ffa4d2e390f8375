// What is observed: events as Django has sent them, and as this browser has got them.

import type { SystemId } from "../systems";

/** An event that Django has sent, or has failed to send. */
export interface Sent {
  /** Unique, and rising over all processes of Django. */
  readonly n: number;
  /** When Django began to send it, and when Redis had it, in milliseconds since 1970. */
  readonly at: number;
  readonly done: number;
  readonly system: SystemId;
  readonly group: string;
  readonly event: string;
  /** Of parking's notifications. */
  readonly topic: string | null;
  readonly message: unknown;
  readonly error: string | null;
}

/** An event that a socket of this page has got. */
export interface Arrival {
  /** Counts arrivals of this page. */
  readonly id: number;
  readonly system: SystemId;
  readonly event: string;
  /** As the demonstration's channel layer has numbered it; null where another layer is in use. */
  readonly n: number | null;
  /** When Django sent it, if it says so. */
  readonly at: number | null;
  /** When it came. */
  readonly came: number;
  readonly frame: unknown;
  /** The node whose socket it came through. */
  readonly node: string | null;
}

export type NodeState = "running" | "ending" | "killed" | "starting";

export interface NodeInfo {
  readonly name: string;
  readonly state: NodeState;
}

/** What has become of an event that this browser should get. */
export type Fate = "pending" | "shown" | "anew" | "waiting" | "lost";

export interface Tally {
  readonly sent: number;
  readonly shown: number;
  /** Reported as missed, and that is over: loaded from Django where it is shown, else when its page is opened. */
  readonly loadedAnew: number;
  /** Reported as missed, and not loaded anew yet. */
  readonly waiting: number;
  /** Not shown, and nothing was reported. */
  readonly lost: number;
  /** Django could not hand it to Redis, and knows that. */
  readonly failedToPublish: number;
}

export const NOTHING: Tally = { sent: 0, shown: 0, loadedAnew: 0, waiting: 0, lost: 0, failedToPublish: 0 };
