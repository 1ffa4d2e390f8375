// What the components of one provider share: its toasts, and what is to be spoken.

/** A value with subscribers. */
export interface Store<T> {
  get(): T;
  set(value: T): void;
  subscribe(listener: () => void): () => void;
}

export function store<T>(value: T): Store<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export type ToastKind = "info" | "success" | "warning" | "error";

export interface Toast {
  readonly id: string;
  readonly title: string;
  readonly body?: string | undefined;
  /** Default: `info`. An `error` stays until it is dismissed. */
  readonly kind?: ToastKind | undefined;
  /** Milliseconds, at least 5000; null: until it is dismissed. Default: 6000. */
  readonly duration?: number | null | undefined;
  readonly action?: { readonly label: string; readonly onClick: () => void } | undefined;
  /** Which of `labels.updates` counts it when several are spoken at once. Default: `update`. */
  readonly counts?: string | undefined;
}

/** Something to be spoken; `counts` names the words for several. Errors interrupt. */
export interface Utterance {
  readonly text: string;
  readonly counts: string;
  readonly error: boolean;
}

export interface Board {
  readonly toasts: Store<readonly Toast[]>;
  readonly utterances: Store<readonly Utterance[]>;
  /** Mounted components of which only the first is shown. */
  readonly announcers: Store<readonly object[]>;
  readonly regions: Store<readonly object[]>;
}

const boards = new WeakMap<object, Board>();

/** The board of a client. */
export function boardOf(client: object): Board {
  let board = boards.get(client);
  if (!board) {
    board = { toasts: store<readonly Toast[]>([]), utterances: store<readonly Utterance[]>([]), announcers: store<readonly object[]>([]), regions: store<readonly object[]>([]) };
    boards.set(client, board);
  }
  return board;
}
