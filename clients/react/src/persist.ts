// Keeps a list in a storage, for the time until it has been loaded: without a network, or right after a start.

/** `localStorage`, `sessionStorage`, or AsyncStorage of React Native. */
export interface PersistStorage {
  getItem: (key: string) => string | null | Promise<string | null>;
  setItem: (key: string, value: string) => unknown;
  removeItem: (key: string) => unknown;
}

export interface Persist {
  /** Tells lists apart. */
  key: string;
  /** Default: `localStorage`. */
  storage?: PersistStorage;
  /** Milliseconds after which a stored list is not shown. Default: a day. */
  maxAge?: number;
  /** Whose list it is. Default: the `user` of the provider. Without a known user nothing is stored or shown. */
  user?: string | number | null;
}

interface Stored<T> {
  readonly user: string | null;
  readonly at: number;
  readonly items: readonly T[];
}

export interface Store<T> {
  read: () => Promise<readonly T[] | null>;
  /** Stores what `items` returns, within a second. */
  save: (items: () => readonly T[]) => void;
  /** Stores at once what waits for it. */
  flush: () => void;
  clear: () => void;
}

const DAY = 86_400_000;
const SAVE = 1_000;

/** The stored list of this user. A list of another user is removed when it is read. */
export function createStore<T>({ key, storage: given, maxAge = DAY }: Persist, user: string | null): Store<T> {
  const name = `channelgate:${key}`;
  // Where storage is forbidden even its name throws.
  const attempt = <R>(run: (storage: PersistStorage) => R): R | undefined => {
    try {
      const result = run(given ?? localStorage);
      if (result instanceof Promise) result.catch(() => undefined);
      return result;
    } catch {
      return undefined;
    }
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  let waiting: (() => readonly T[]) | undefined;
  const flush = () => {
    clearTimeout(timer);
    const items = waiting;
    waiting = timer = undefined;
    if (items) attempt((storage) => storage.setItem(name, JSON.stringify({ user, at: Date.now(), items: items() } satisfies Stored<T>)));
  };
  const clear = () => {
    clearTimeout(timer);
    waiting = timer = undefined;
    attempt((storage) => storage.removeItem(name));
  };
  return {
    flush,
    clear,
    save: (items) => {
      waiting = items;
      timer ??= setTimeout(flush, SAVE);
    },
    read: async () => {
      try {
        const text = await attempt((storage) => storage.getItem(name));
        if (!text) return null;
        const stored = JSON.parse(text) as Stored<T>;
        if (stored.user === user && Date.now() - stored.at <= maxAge && Array.isArray(stored.items)) return stored.items;
      } catch {
        // It is not a list of this version.
      }
      clear();
      return null;
    },
  };
}
