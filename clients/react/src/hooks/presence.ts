"use client";
// Who is online.

import type { Client } from "@channelgate/client";
import { useMemo } from "react";

import { useClientOf, type Of } from "../context.js";
import { createFold, together, type Source } from "../frame.js";
import { useLatest } from "./latest.js";
import { useShown } from "./shown.js";

/** A person, as the last event described them. */
export interface PresentUser {
  readonly id: string;
  readonly name: string | null;
  /** What they do, if they have said it: "viewing", for instance. */
  readonly status: string | null;
  /** The data of the last event. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Presence {
  readonly online: ReadonlySet<string>;
  readonly users: readonly PresentUser[];
}

export interface PresenceOptions {
  /** Names of the events. Default: `user_online`, `user_offline`, `user_presence_update`. */
  events?: { online?: string; offline?: string; update?: string };
  /** Makes a person of an event's data; null: none. Default: `userId`, `userName` and `status`. */
  user?: (data: Readonly<Record<string, unknown>>) => PresentUser | null;
  of?: Of;
}

const EMPTY: Presence = { online: new Set(), users: [] };

/** The person that the repair shop's events describe. */
export function userOf(data: Readonly<Record<string, unknown>>): PresentUser | null {
  const { userId, userName = null, status = null } = data as Record<string, string | null | undefined>;
  return userId === undefined || userId === null ? null : { id: String(userId), name: userName, status, data };
}

/**
 * Who has come online since the component was mounted. Events may name people who were online before, too. When events
 * may have been missed it begins anew: someone may have left.
 */
export function usePresence({ events = {}, user = userOf, of }: PresenceOptions = {}): Presence {
  const client = useClientOf("usePresence", of);
  const { online = "user_online", offline = "user_offline", update = "user_presence_update" } = events;
  const latest = useLatest(user);
  const source = useMemo(() => follow(client, online, offline, update, (data) => latest()(data)), [client, online, offline, update, latest]);
  return useShown(source);
}

function follow(client: Client, online: string, offline: string, update: string, user: NonNullable<PresenceOptions["user"]>): Source<Presence> {
  return createFold(EMPTY, (change) => {
    const set = (isOnline: boolean) => (data: unknown) =>
      change((before) => {
        const person = user((data ?? {}) as Record<string, unknown>);
        if (!person) return before;
        const rest = before.users.filter(({ id }) => id !== person.id);
        const users = isOnline ? [...rest, person] : rest;
        return { users, online: new Set(users.map(({ id }) => id)) };
      });
    let { missed } = client.snapshot();
    return together(
      client.on(online, set(true)),
      client.on(update, set(true)),
      client.on(offline, set(false)),
      client.subscribe(() => {
        const now = client.snapshot().missed;
        if (now && now !== missed) change(() => EMPTY);
        missed = now;
      }),
    );
  });
}
