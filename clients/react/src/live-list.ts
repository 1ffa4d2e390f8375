"use client";
// A list that is loaded once and kept up to date by events, without races between the two.

import type { Data, Events, Name, Recovery } from "@channelgate/client";
import { useMemo } from "react";

import { useClientOf, useUser, type Of } from "./context.js";
import { useLatest } from "./hooks/latest.js";
import { useShown } from "./hooks/shown.js";
import { useStatus } from "./hooks/status.js";
import { createList, type Key, type ListOptions, type ListState } from "./list.js";
import { createStore, type Persist } from "./persist.js";

export interface LiveListOptions<T, E = Events, U extends Name<E> = Name<E>, R extends Name<E> = Name<E>> {
  /** Loads the whole list. The signal is aborted when the result is not wanted any more. */
  load: (signal: AbortSignal) => Promise<readonly T[]>;
  key: (item: T) => Key;
  /** Events that add or replace an item, and events that remove one. */
  events: { upsert?: readonly U[]; remove?: readonly R[] };
  /** The item of an event; null: none. Default: the event's data. `find` gives the item that the list has now. */
  item?(data: Data<E, U>, event: U, find: (key: Key) => T | undefined): T | null | undefined;
  /** The key of the item that an event removes; null: none. Default: `key` of the data, or the data itself. */
  removed?(data: Data<E, R>, event: R): Key | null | undefined;
  /** A number or text that grows with each change of an item: an older one does not replace a newer one. */
  version?: (item: T) => string | number;
  /** Compares two items, as for `Array.sort`. Default: the order of `load`, then that of the events. */
  sort?: (a: T, b: T) => number;
  /** How many items are shown: with `sort` the first ones, without it the last ones. */
  limit?: number;
  /** Keeps the list for the next start. The provider must know its `user`. */
  persist?: Persist;
  /** Which list it is, if `load` depends on something: another one begins anew. */
  id?: Key;
  of?: Of;
}

export interface LiveList<T> extends ListState<T> {
  readonly recovery: Recovery;
  /** Loads anew; if a load is running, once more after it. */
  readonly reload: () => Promise<void>;
}

/** `useLiveList` for events that are not declared by module augmentation. */
export type UseLiveList<E> = <T, U extends Name<E> = Name<E>, R extends Name<E> = Name<E>>(options: LiveListOptions<T, E, U, R>) => LiveList<T>;

/** A list that is loaded once, changed by events, and loaded anew when events may have been missed. */
export function useLiveList<T, E = Events, U extends Name<E> = Name<E>, R extends Name<E> = Name<E>>(
  options: LiveListOptions<T, E, U, R>,
): LiveList<T> {
  const { of, persist, id } = options;
  const client = useClientOf("useLiveList", of);
  const known = useUser(of);
  const whose = persist?.user === undefined ? known : persist.user;
  const user = typeof whose === "number" ? String(whose) : whose;
  const current = useLatest(options as unknown as ListOptions<T> & { persist?: Persist });
  const place = persist?.key;
  const list = useMemo(() => {
    const { persist: how } = current();
    return createList(client, current, how && user !== undefined ? createStore<T>({ ...how, key: id === undefined ? (place ?? "") : `${place}:${id}` }, user) : null);
  }, [client, current, user, place, id]);
  const state = useShown(list);
  const recovery = useStatus(({ recovery: now }) => now, client);
  return { ...state, recovery, reload: list.reload };
}

