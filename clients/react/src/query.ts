"use client";
// Invalidates queries of TanStack Query, or keys of SWR, when events say that their data has changed.

import type { Client, Data, Events, Name } from "@channelgate/client";
import { useEffect } from "react";

import { useClientOf, type Of } from "./context.js";
import { useLatest } from "./hooks/latest.js";

/** What the keys of the queries begin with. A text stands for a list with this text alone. */
export type QueryKey = string | readonly unknown[];

/** The key of an event's data; null: none. */
export type KeyOf<D> = { of(data: D): QueryKey | null | undefined }["of"];

/** What an event changes: a key, a function that makes one, or such a function and what all its keys begin with. */
export type Target<D = unknown> = QueryKey | KeyOf<D> | { readonly key: KeyOf<D>; readonly all: QueryKey };

/** Names of events, which may contain `*`, and what they change. */
export type Targets<E = Events> = Readonly<Record<`${string}*${string}`, Target>> & { readonly [K in Name<E>]?: Target<Data<E, K>> };

/** What is used of TanStack's `QueryClient`. */
export interface QueryClientLike {
  invalidateQueries: (filters: { queryKey: readonly unknown[]; refetchType: "active" }) => unknown;
}

/** What is used of SWR's `mutate`. */
export type MutateLike = (matches: (key: unknown) => boolean) => unknown;

export interface InvalidateOptions {
  /** Milliseconds in which events are put together. Default: 100. */
  wait?: number;
  of?: Of;
}

const WAIT = 100;

/**
 * Invalidates what events change: what is shown is loaded at once, the rest when it is shown. When events may have been
 * missed, this is everything in `targets`; for a function without `all`, whose keys are not known, all queries.
 */
export function useInvalidate<E = Events>(
  cache: QueryClientLike | MutateLike,
  targets: Targets<E>,
  { wait = WAIT, of }: InvalidateOptions = {},
): void {
  const client = useClientOf("useInvalidate", of);
  const latest = useLatest({ cache, targets });
  useEffect(() => follow(client, latest, wait), [client, latest, wait]);
}

function follow(client: Client, latest: () => { cache: QueryClientLike | MutateLike; targets: object }, wait: number): () => void {
  /** What waits to be invalidated, by its text. */
  const due = new Map<string, readonly unknown[]>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const flush = async () => {
    clearTimeout(timer);
    timer = undefined;
    const keys = [...due.values()];
    due.clear();
    // The empty key begins all others.
    const needed = keys.filter((key) => key.length === 0 || keys.every((other) => other.length > 0));
    await Promise.all(needed.map((key) => invalidate(latest().cache, key)));
  };
  const add = (key: QueryKey | null | undefined) => {
    if (key !== null && key !== undefined) due.set(JSON.stringify(key), typeof key === "string" ? [key] : key);
  };
  const each = (visit: (pattern: string, target: Target) => void) => {
    for (const [pattern, target] of Object.entries(latest().targets as Record<string, Target | undefined>)) if (target !== undefined) visit(pattern, target);
  };

  const ends = [
    client.on("*", (data, { event }) => {
      each((pattern, target) => {
        if (!isLike(pattern, event)) return;
        const key = typeof target === "object" && "key" in target ? target.key : target;
        add(typeof key === "function" ? key(data) : key);
      });
      if (due.size > 0) timer ??= setTimeout(() => void flush(), wait);
    }),
    client.onMissed(() => {
      each((_, target) => add(typeof target === "function" ? [] : typeof target === "object" && "all" in target ? target.all : target));
      return flush();
    }),
    // What is stale stays so without this component.
    () => void flush(),
  ];
  return () => {
    for (const end of ends) end();
  };
}

async function invalidate(cache: QueryClientLike | MutateLike, key: readonly unknown[]): Promise<void> {
  if (typeof cache !== "function") await cache.invalidateQueries({ queryKey: key, refetchType: "active" });
  else await cache((other) => key.every((part, i) => JSON.stringify(part) === JSON.stringify((Array.isArray(other) ? other : [other])[i])));
}

/** Whether a name has the form of the pattern, in which `*` stands for any text. */
function isLike(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(name);
}
