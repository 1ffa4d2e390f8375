// What the components of one provider share: its toasts, and what is to be spoken.

import type { Count } from "../labels.js";

/** A value with subscribers. */
export interface Store<T> {
  get(this: void): T;
  set(this: void, value: T): void;
  subscribe(this: void, listener: () => void): () => void;
}

function store<T>(value: T): Store<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      value = next;
      listeners.forEach((listener) => listener());
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export interface Toast {
  readonly id: string;
  readonly title: string;
  readonly body?: string | undefined;
  /** Default: `info`. An `error` stays until it is dismissed. */
  readonly kind?: "info" | "success" | "warning" | "error" | undefined;
  /** Milliseconds, at least 5000; null: until it is dismissed. Default: 6000. */
  readonly duration?: number | null | undefined;
  readonly action?: { readonly label: string; readonly onClick: () => void } | undefined;
  /** The words for several of its kind, spoken at once. Default: `labels.newUpdates`. */
  readonly counts?: Count | undefined;
}

/** Something to be spoken; `counts` has the words for several of its kind. An error interrupts. */
export interface Utterance {
  readonly text: string;
  readonly counts?: Count | undefined;
  readonly isError?: boolean | undefined;
}

export interface Board {
  readonly toasts: Store<readonly Toast[]>;
  readonly utterances: Store<readonly Utterance[]>;
  /** Mounted components of which only the first is rendered. */
  readonly announcers: Store<readonly object[]>;
  readonly regions: Store<readonly object[]>;
}

const boards = new WeakMap<object, Board>();

/** The board of a client. */
export function boardOf(client: object): Board {
  let board = boards.get(client);
  if (!board) boards.set(client, (board = { toasts: store<readonly Toast[]>([]), utterances: store<readonly Utterance[]>([]), announcers: store<readonly object[]>([]), regions: store<readonly object[]>([]) }));
  return board;
}

/** Has the announcer speak. */
export const say = (board: Board, utterance: Utterance): void => board.utterances.set([...board.utterances.get(), utterance]);
