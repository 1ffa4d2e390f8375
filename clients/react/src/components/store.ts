// What the components of one provider share: its toasts, and what is spoken.

import type { Status } from "@channelgate/client";
import { createElement, type ReactNode } from "react";

import type { Count } from "../labels.js";

export interface Toast {
  readonly id: string;
  readonly title: string;
  readonly body?: string | undefined;
  /** Default: `info`. An `error` stays until it is dismissed. */
  readonly kind?: "info" | "success" | "warning" | "error" | undefined;
  /** Milliseconds, at least 5000; null: until it is dismissed. Default: 6000. */
  readonly duration?: number | null | undefined;
  /** The words for several of its kind, spoken at once. Default: `labels.newUpdates`. */
  readonly counts?: Count | undefined;
}

/** `left`: milliseconds until it goes. */
export type LiveToast = Toast & { left: number };

/** Something to be spoken; `counts` has the words for several of its kind. */
export interface Utterance {
  readonly text: string;
  readonly counts?: Count | undefined;
  /** Spoken at once. */
  readonly isError?: boolean | undefined;
}

export interface Shared {
  readonly toasts: readonly LiveToast[];
  /** What waits to be spoken. */
  readonly waiting: readonly Utterance[];
  /** The content of the live regions. */
  readonly polite?: ReactNode;
  readonly urgent?: ReactNode;
  /** The status that was spoken last. */
  readonly settled: Status;
  /** When an update was spoken last, by `performance.now()`. */
  readonly spokenAt: number;
  /** Of several mounted components of a kind, the one that is rendered. */
  readonly announcer?: object | null;
  readonly region?: object | null;
}

export interface Board {
  get(this: void): Shared;
  set(this: void, some: Partial<Shared>): void;
  subscribe(this: void, listener: () => void): () => void;
}

const boards = new WeakMap<object, Board>();

/** The board of a client. */
export function boardOf(client: object): Board {
  let board = boards.get(client);
  if (!board) {
    let shared: Shared = { toasts: [], waiting: [], settled: "idle", spokenAt: -1e5 };
    const listeners = new Set<() => void>();
    board = {
      get: () => shared,
      set: (some) => {
        shared = { ...shared, ...some };
        listeners.forEach((listener) => listener());
      },
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    boards.set(client, board);
  }
  return board;
}

let key = 0;

/** Content of a live region. The same text a second time is a new element, so that it is spoken again. */
export const spoken = (text: string): ReactNode => createElement("p", { key: key++ }, text);

/** Has the announcer speak. */
export const say = ({ get, set }: Board, utterance: Utterance): void =>
  set(utterance.isError ? { urgent: spoken(utterance.text) } : { waiting: [...get().waiting, utterance] });
