"use client";
// Who types in a room, and that this person does.

import type { Client } from "@channelgate/client";
import { useEffect, useMemo, type KeyboardEvent } from "react";

import { useClientOf, type Of } from "../context.js";
import { createFold, together } from "../frame.js";
import { useLatest } from "./latest.js";
import { useShown } from "./shown.js";
import { userOf, type PresentUser } from "./presence.js";

export interface TypingOptions {
  /** Names of the events. Default: `user_typing_start` and `user_typing_stop`, sent as `typing_start` and `typing_stop`. */
  events?: { start?: string; stop?: string; sendStart?: string; sendStop?: string };
  /** Makes a person of an event's data; null: none, or in another room. */
  user?: (data: Readonly<Record<string, unknown>>) => PresentUser | null;
  of?: Of;
}

export interface Typing {
  /** Others who type. Everyone is taken out after five seconds without another sign. */
  readonly typing: readonly PresentUser[];
  /** Properties of the text field. */
  readonly bind: { readonly onKeyDown: (event: KeyboardEvent) => void; readonly onBlur: () => void };
  /** Says that this person types, at most every three seconds; for input without keys. */
  readonly start: (message?: string) => void;
  readonly stop: () => void;
}

/** Milliseconds: others are taken out; own typing is said again; a pause ends it. */
const EXPIRES = 5_000;
const AGAIN = 3_000;
const PAUSE = 3_000;

/** Keys that write nothing. */
const SILENT = /^(Tab|Esc|Shift|Control|Alt|Meta|Arrow)/;

const EMPTY: readonly PresentUser[] = [];

/** Who types in the room. It does not join the room: `useRoom` does. null: none. */
export function useTyping(room: string | null, { events = {}, user = userOf, of }: TypingOptions = {}): Typing {
  const client = useClientOf("useTyping", of);
  const { start = "user_typing_start", stop = "user_typing_stop", sendStart = "typing_start", sendStop = "typing_stop" } = events;
  const latest = useLatest(user);
  const source = useMemo(() => others(client, room, start, stop, (data) => latest()(data)), [client, room, start, stop, latest]);
  const own = useMemo(() => createOwn(client, room, sendStart, sendStop), [client, room, sendStart, sendStop]);
  useEffect(() => own.stop, [own]);
  return { typing: useShown(source), ...own };
}

function others(client: Client, room: string | null, start: string, stop: string, user: NonNullable<TypingOptions["user"]>) {
  return createFold(EMPTY, (update) => {
    if (room === null) return () => undefined;
    const timers = new Map<string, ReturnType<typeof setTimeout>>();
    const remove = (id: string) => {
      clearTimeout(timers.get(id));
      timers.delete(id);
      update((before) => before.filter((person) => person.id !== id));
    };
    const on = (name: string, isTyping: boolean) =>
      client.on(name, (received) => {
        const data = (received ?? {}) as Record<string, unknown>;
        const person = (data["roomName"] ?? room) === room ? user(data) : null;
        if (!person) return;
        remove(person.id);
        if (!isTyping) return;
        timers.set(person.id, setTimeout(remove, EXPIRES, person.id));
        update((before) => [...before, person]);
      });
    return together(on(start, true), on(stop, false), () => [...timers.keys()].forEach(remove));
  });
}

function createOwn(client: Client, room: string | null, sendStart: string, sendStop: string): Omit<Typing, "typing"> {
  let said = -Infinity;
  let isTyping = false;
  let pause: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    clearTimeout(pause);
    if (isTyping) client.send(sendStop, { roomName: room }, { volatile: true });
    isTyping = false;
  };
  const start = (message = "") => {
    if (room === null) return;
    clearTimeout(pause);
    pause = setTimeout(stop, PAUSE);
    const now = Date.now();
    if (now - said < AGAIN) return;
    said = now;
    isTyping = true;
    client.send(sendStart, { roomName: room, message }, { volatile: true });
  };
  return { start, stop, bind: { onBlur: stop, onKeyDown: ({ key }) => void (SILENT.test(key) || start()) } };
}
