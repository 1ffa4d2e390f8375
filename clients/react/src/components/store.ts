// What the components of one provider share: its toasts, and what is spoken.

import type { Status } from "@channelgate/client";
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

/** Something to be spoken. */
export interface Utterance {
  readonly text: string;
  /** The words for several of its kind. */
  readonly counts?: Count | undefined;
  /** Spoken at once. */
  readonly error?: boolean | undefined;
}

export interface Spoken {
  readonly key: number;
  readonly text: string;
}

export interface Shared {
  readonly toasts: readonly LiveToast[];
  /** The latest that waits to be spoken, and how many wait. `counts` is undefined if they are of several kinds. */
  readonly waiting?: { readonly text: string; readonly counts?: Count | undefined; readonly n: number } | null;
  /** The contents of the two live regions. */
  readonly live?: Spoken | undefined;
  readonly alert?: Spoken | undefined;
  /** The status that was spoken last. */
  readonly status: Status;
  /** When an update was spoken last, by `performance.now()`. */
  readonly at: number;
  /** Of several mounted components of a kind, the one that is rendered. */
  readonly announcer?: object | null;
  readonly region?: object | null;
}

/** Shows and dismisses toasts. */
export interface Toaster {
  /** Shows a toast and speaks it. One with the same id is replaced. Returns the id. */
  show(this: void, toast: Omit<Toast, "id"> & { id?: string }): string;
  dismiss(this: void, id: string): void;
}

export interface Board extends Toaster {
  get(this: void): Shared;
  set(this: void, some: Partial<Shared>): void;
  subscribe(this: void, listener: () => void): () => void;
}

/** More toasts are not shown: the oldest goes, but an error stays. */
const MOST = 5;

/** For ids of toasts, and for keys in the live regions. */
let count = 0;

const boards = new WeakMap<object, Board>();

/** The board of a client. */
export function boardOf(client: object): Board {
  let board = boards.get(client);
  if (!board) {
    let state: Shared = { toasts: [], status: "idle", at: -1e5 };
    const listeners = new Set<() => void>();
    const without = (id: string) => state.toasts.filter((one) => one.id !== id);
    const set: Board["set"] = (some) => {
      state = { ...state, ...some };
      listeners.forEach((listener) => listener());
    };
    board = {
      get: () => state,
      set,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      show: ({ id = `cg-${count++}`, ...toast }) => {
        const { kind, duration = 6000, counts } = toast;
        const title = plain(toast.title);
        const body = toast.body && plain(toast.body);
        const error = kind === "error";
        const toasts = [...without(id), { ...toast, id, title, body, left: Math.max(5000, (error ? null : duration) ?? Infinity) }];
        const oldest = toasts.length > MOST && toasts.find((one) => one.kind !== "error");
        set({ toasts: toasts.filter((one) => one !== oldest) });
        say(board as Board, { text: body ? `${title}\n${body}` : title, counts, error });
        return id;
      },
      dismiss: (id) => set({ toasts: without(id) }),
    };
    boards.set(client, board);
  }
  return board;
}

/** What a server sends where text is meant may be anything. */
export const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** Content of a live region. The same text a second time has another key, so that it is spoken again. */
export const spoken = (text: string): Spoken => ({ key: count++, text: plain(text) });

/** Has the announcer speak. */
export function say({ get, set }: Board, { text, counts, error }: Utterance): void {
  const { n = 0, counts: last } = get().waiting ?? {};
  set(error ? { alert: spoken(text) } : { waiting: { text, counts: n && last !== counts ? undefined : counts, n: n + 1 } });
}
