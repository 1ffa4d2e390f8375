"use client";
// The feed of visitors and employees: one connection for the page.

import type { Client as Connection, Meta } from "@channelgate/client";
import { useMemo, useSyncExternalStore } from "react";

import { createFold } from "../frame.js";
import { useEvent, type UseEvent } from "../hooks/events.js";
import { useMissed as useMissedOf } from "../hooks/missed.js";
import { useStatus } from "../hooks/status.js";
import { useLiveList, type LiveList, type LiveListOptions } from "../live-list.js";
import { withoutLoad } from "../preset/no-load.js";
import { isEvent, isOpen } from "../preset/rules.js";
import { shared, useShared, type Settings } from "../preset/shared.js";
import type { Client, Employee, FeedEvents, Visit } from "./events.js";

export type FeedEvent = Exclude<keyof FeedEvents, "gap" | "hello">;

/** An event with its data, as the documents' frames have them. */
export type FeedMessage = { [K in FeedEvent]: { event: K; data: FeedEvents[K] } }[FeedEvent];

const page = shared<FeedEvents>("/ws/", undefined, () => ({}));

/** Where the feed is, by default /ws/ of this page's origin, and a token, if the server wants one. */
export const configure = (settings: Settings): void => page.configure(settings);

export const feedClient: () => Connection<FeedEvents> = page.client;

export interface Feed {
  isConnected: boolean;
  /** The last event since the component was mounted. */
  lastEvent: FeedMessage | null;
}

export function useFeed(): Feed {
  const client = useShared(page);
  const source = useMemo(
    () =>
      createFold<FeedMessage | null>(null, (update) =>
        client.on("*", (data, { event }) => {
          if (isEvent(event)) update(() => ({ event, data }) as FeedMessage);
        }),
      ),
    [client],
  );
  const lastEvent = useSyncExternalStore(source.subscribe, source.shown, source.idle);
  return { isConnected: useStatus(isOpen, client), lastEvent };
}

/** Calls the latest handler for each event, in order and once; `"*"` for all of them. */
export function useFeedEvent<K extends FeedEvent | "*">(event: K, handler: (data: K extends FeedEvent ? FeedEvents[K] : unknown, meta: Meta) => void): void {
  const client = useShared(page);
  (useEvent as UseEvent<FeedEvents>)(event, handler as (data: unknown, meta: Meta) => void, client);
}

/** Loads anew what may have been missed. */
export const useMissed: typeof useMissedOf = (handler) => useMissedOf(handler, useShared(page));

/** `load` fetches the whole list; without it the list has what came since, and a miss stays one. */
export type FeedListOptions<T> = Partial<Pick<LiveListOptions<T>, "load" | "sort" | "limit" | "version" | "persist">>;

export function useClients(options: FeedListOptions<Client> = {}): LiveList<Client> {
  return useList(options, {
    upsert: ["client_create", "client_update", "client_visit_create", "client_visit_update", "client_visit_delete"],
    remove: ["client_delete"],
    item: visited,
  });
}

export function useEmployees(options: FeedListOptions<Employee> = {}): LiveList<Employee> {
  return useList(options, { upsert: ["employee_create", "employee_update"], remove: ["employee_delete"], item: (data) => data as Employee });
}

/** A visit changes its visitor: the server sends the visitor first, without the visit. */
function visited(data: unknown, event: string, find: (key: number) => Client | undefined): Client | null {
  if (!event.startsWith("client_visit")) return data as Client;
  const { client: id, ...visit } = data as Visit;
  const client = find(id);
  if (!client) return null;
  const others = (client.visit_histories ?? []).filter((one) => Date.parse(one.datetime) !== Date.parse(visit.datetime) || one.device_id !== visit.device_id);
  return { ...client, visit_histories: event.endsWith("delete") ? others : [...others, visit] };
}

interface Rules<T> {
  upsert: string[];
  remove: string[];
  item: (data: unknown, event: string, find: (key: number) => T | undefined) => T | null;
}

function useList<T extends { id: number }>({ persist, ...options }: FeedListOptions<T>, { upsert, remove, item }: Rules<T>): LiveList<T> {
  const client = useShared(page);
  const list: LiveList<T> = useLiveList<T>({
    load: withoutLoad(client, () => list.items),
    ...options,
    key: ({ id }) => id,
    events: { upsert, remove },
    item,
    of: client,
    // Without a login there is one list for everyone.
    ...(persist && { persist: { user: null, ...persist } }),
  });
  return list;
}
