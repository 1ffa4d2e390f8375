// The list behind `useLiveList`: a snapshot and the events since, put together in the right order.

import type { Client, Meta, Missed } from "@channelgate/client";

import { createSource, together, type Source } from "./frame.js";
import type { Store } from "./persist.js";

export type Key = string | number;

/** What the list is made of: `LiveListOptions` without its types of events. */
export interface ListOptions<T> {
  load: (signal: AbortSignal) => Promise<readonly T[]>;
  key: (item: T) => Key;
  events: { upsert?: readonly string[]; remove?: readonly string[] };
  item?: ((data: never, event: string, find: (key: Key) => T | undefined) => T | null | undefined) | undefined;
  removed?: ((data: never, event: string) => Key | null | undefined) | undefined;
  version?: ((item: T) => string | number) | undefined;
  sort?: ((a: T, b: T) => number) | undefined;
  limit?: number | undefined;
}

export interface ListState<T> {
  readonly items: readonly T[];
  /** `cached`: from `persist`. `error`: the first load failed; after a later one the items stay, and `error` is set. */
  readonly status: "loading" | "cached" | "ready" | "error";
  readonly error: Error | null;
}

export interface List<T> extends Source<ListState<T>> {
  reload: () => Promise<void>;
}

interface Change {
  readonly data: unknown;
  readonly event: string;
}

/** How long the first load waits for the connection: what changes between the two would be missed. Milliseconds. */
const WAIT = 500;
/** Events that are kept during a load, and items beyond `limit`. */
const KEPT = 10_000;
const SPARE = 1_000;

const ignore = () => undefined;

export function createList<T>(client: Client, options: () => ListOptions<T>, store: Store<T> | null): List<T> {
  let items = new Map<string, T>();
  let status: ListState<T>["status"] = "loading";
  let error: Error | null = null;
  let changed = ignore as () => void;
  /** Aborted when there is no reader any more. */
  let life = new AbortController();
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  /** Events since the running load began; null between loads. */
  let kept: Change[] | null = null;
  let isEarly = false;
  /** What was missed before the latest load began: it is loaded with it. */
  let loaded: Missed | null = null;

  const apply = ({ data, event }: Change): boolean => {
    const { key, item, removed, events, version } = options();
    if (events.remove?.includes(event)) {
      const gone = removed ? removed(data as never, event) : typeof data === "object" ? key(data as T) : (data as Key);
      return gone !== null && gone !== undefined && items.delete(String(gone));
    }
    const made = item ? item(data as never, event, (wanted) => items.get(String(wanted))) : (data as T);
    if (made === null || made === undefined) return false;
    const name = String(key(made));
    const before = items.get(name);
    if (version && before && version(before) > version(made)) return false;
    items.set(name, made);
    return true;
  };

  const show = () => {
    if (status === "ready" && client.snapshot().status !== "unauthorized") store?.save(sorted);
    changed();
  };

  const onEvent = (data: unknown, { event }: Meta) => {
    const { upsert, remove } = options().events;
    if (!upsert?.includes(event) && !remove?.includes(event)) return;
    if (kept && kept.length <= KEPT) kept.push({ data, event });
    if (apply({ data, event })) show();
  };

  /** One load, and what came meanwhile on top of it. */
  const load = async (): Promise<void> => {
    const { signal } = life;
    const aborted = new Promise<null>((resolve) => void signal.addEventListener("abort", () => resolve(null)));
    await Promise.race([aborted, ready(client, WAIT)]);
    if (signal.aborted) return;
    isEarly = client.snapshot().status !== "open";
    const changes: Change[] = (kept = []);
    loaded = client.snapshot().missed;
    try {
      const all = await Promise.race([aborted, options().load(signal)]);
      if (all === null || signal.aborted) return;
      // A load that takes so long says nothing about the present.
      if (changes.length > KEPT) throw new Error("too many events during the load");
      items = new Map(all.map((item) => [String(options().key(item)), item]));
      for (const change of changes) {
        try {
          apply(change);
        } catch {
          // The client has reported it when the event came.
        }
      }
      status = "ready";
      error = null;
    } catch (thrown) {
      if (signal.aborted) return;
      loaded = null;
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (status === "loading") status = "error";
      throw error;
    } finally {
      if (!signal.aborted) {
        kept = null;
        running = undefined;
        show();
      }
    }
  };

  /** Loads; once more, if a load is running. One that waits for the connection is still early enough. */
  const reload = (): Promise<void> => {
    if (!running) return (running = load());
    if (!kept) return running;
    const { signal } = life;
    next ??= running.catch(ignore).then(() => {
      if (signal.aborted) return undefined;
      next = undefined;
      return reload();
    });
    return next;
  };

  const sorted = (): readonly T[] => {
    const { sort, limit = Infinity, key } = options();
    let all = [...items.values()];
    if (sort) all.sort(sort);
    if (all.length > limit) all = sort ? all.slice(0, limit) : all.slice(-limit);
    if (items.size > limit + SPARE) items = new Map(all.map((item) => [String(key(item)), item]));
    return all;
  };

  const begin = (notify: () => void) => {
    changed = notify;
    life = new AbortController();
    const { signal } = life;
    running = next = undefined;
    kept = loaded = null;
    let wasOpen = client.snapshot().status === "open";
    const onStatus = () => {
      const { status: now, recovery } = client.snapshot();
      // What changed before the connection was open has not come as an event. A miss is handled below.
      const isDue = now === "open" && !wasOpen && recovery === "live" && (isEarly || error !== null);
      wasOpen = now === "open";
      if (isDue) reload().catch(ignore);
      if (now !== "unauthorized") return;
      store?.clear();
      if (status !== "cached") return;
      items = new Map();
      status = error ? "error" : "loading";
      show();
    };
    reload().catch(ignore);
    const stop = together(client.on("*", onEvent), client.subscribe(onStatus), client.onMissed((missed) => (missed === loaded ? running : reload())));
    const read = async () => {
      const stored = await store?.read();
      if (!stored || signal.aborted || status === "ready" || status === "cached" || client.snapshot().status === "unauthorized") return;
      // Events that have come are newer.
      items = new Map([...stored.map((item) => [String(options().key(item)), item] as const), ...items]);
      status = "cached";
      show();
    };
    // What is stored may be of another version.
    read().catch(() => store?.clear());
    return () => {
      life.abort();
      store?.flush();
      stop();
    };
  };

  const source = createSource<ListState<T>>({ items: [], status, error }, begin, () => ({ items: sorted(), status, error }));
  return { ...source, reload };
}

/** Resolves when the connection is open, when it will not be soon, or after some time. */
function ready(client: Client, wait: number): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (/^(idle|connecting|reconnecting)$/.test(client.snapshot().status)) return;
      clearTimeout(timer);
      stop();
      resolve();
    };
    const stop = client.subscribe(check);
    const timer = setTimeout(() => {
      stop();
      resolve();
    }, wait);
    check();
  });
}
