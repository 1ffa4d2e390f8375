"use client";
// Handles events, or collects them.

import type { Data, Events, Meta, Name } from "@channelgate/client";
import { useEffect, useMemo } from "react";

import { useClientOf, type Of } from "../context.js";
import { createFold } from "../frame.js";
import { useLatest } from "./latest.js";
import { useShown } from "./shown.js";

/** `useEvent` for events that are not declared by module augmentation: `const useMyEvent: UseEvent<MyEvents> = useEvent`. */
export type UseEvent<E> = <K extends Name<E> | "*">(event: K, handler: (data: Data<E, K>, meta: Meta) => void, of?: Of) => void;

/** Calls the latest handler for each event, in order and once. It subscribes once, however often the handler changes. */
export function useEvent<E = Events, K extends Name<E> | "*" = Name<E> | "*">(
  event: K,
  handler: (data: Data<E, K>, meta: Meta) => void,
  of?: Of,
): void {
  const client = useClientOf<E>("useEvent", of);
  const latest = useLatest(handler);
  useEffect(() => client.on(event, (data, meta) => latest()(data, meta)), [client, event, latest]);
}

/** An event that was kept. */
export interface Kept<T> {
  readonly id: string;
  readonly data: T;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
}

/** `useEvents` for events that are not declared by module augmentation. */
export type UseEvents<E> = <K extends Name<E> | "*">(
  event: K,
  how?: { limit?: number; of?: Of | undefined },
) => readonly Kept<Data<E, K>>[];

let count = 0;

/** The last events since the component was mounted, oldest first. */
export function useEvents<E = Events, K extends Name<E> | "*" = Name<E> | "*">(
  event: K,
  { limit = 100, of }: { limit?: number; of?: Of | undefined } = {},
): readonly Kept<Data<E, K>>[] {
  const client = useClientOf<E>("useEvents", of);
  const source = useMemo(
    () =>
      createFold<readonly Kept<Data<E, K>>[]>([], (update) =>
        client.on(event, (data, { at }) => update((kept) => [...kept, { id: `${++count}`, data, at }].slice(-limit))),
      ),
    [client, event, limit],
  );
  return useShown(source);
}
