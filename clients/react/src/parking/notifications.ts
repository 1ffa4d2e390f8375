"use client";
// Notifications of the parking lots: one connection for the page, and every component has the types that it asks for.

import { wsToken, type Client } from "@channelgate/client";
import { isOfTopic, notifications } from "@channelgate/client/dialect";
import { useEffect, useMemo, useSyncExternalStore } from "react";

import { createFold } from "../frame.js";
import { useEvents, type UseEvents } from "../hooks/events.js";
import { useMissed as useMissedOf } from "../hooks/missed.js";
import { useStatus } from "../hooks/status.js";
import { isOpen } from "../preset/rules.js";
import { shared, useShared, type Settings } from "../preset/shared.js";
import type { ParkingEvents } from "./events.js";

/** Messages that are kept. */
const LIMIT = 200;

export interface WebSocketMessage {
  type: string;
  message: string;
  data?: Record<string, unknown>;
  /** The type of which it is, from a node; another server does not say it. */
  topic?: string;
}

export interface ParkingNotification extends WebSocketMessage {
  id: string;
  /** When it came, in milliseconds since 1970. */
  at: number;
  seen: boolean;
}

const page = shared<ParkingEvents>("/ws/notifications/", wsToken(), () => ({ dialect: notifications() }), () => change?.(() => []));
let topics: readonly string[] = ["reservation", "parking_lot"];
let change: ((next: (all: readonly ParkingNotification[]) => readonly ParkingNotification[]) => void) | undefined;

/** Where the server is, where tokens come from, and the types that components get without asking for others. */
export function configure(settings: Settings & { topics?: readonly string[] }): void {
  const { topics: given = topics, ...rest } = settings;
  topics = given;
  page.configure(rest);
}

export const parkingClient: () => Client<ParkingEvents> = page.client;

/** Subscribed to while the component is mounted. */
function useTopics(wanted: readonly string[] = topics): readonly string[] {
  const client = useShared(page);
  const names = JSON.stringify(wanted);
  useEffect(() => {
    const stops = (JSON.parse(names) as string[]).map((name) => client.want("topic", name));
    return () => stops.forEach((stop) => stop());
  }, [client, names]);
  return useMemo(() => JSON.parse(names) as string[], [names]);
}

/** Whether the component has asked for it. Without a topic, as far as its data says what it is. */
function isWanted({ topic, data }: WebSocketMessage, wanted: readonly string[]): boolean {
  const type = topic ?? data?.["notification_type"] ?? data?.["type"];
  return typeof type !== "string" || wanted.some((name) => isOfTopic(type, name));
}

/** Messages since the component was mounted, oldest first; the last 200 are kept. */
export function useWebSocket(how: { topics?: readonly string[] } = {}): { isConnected: boolean; messages: WebSocketMessage[] } {
  const client = page.client();
  const wanted = useTopics(how.topics);
  const kept = (useEvents as UseEvents<ParkingEvents>)("notification", { limit: LIMIT, of: client });
  const messages = useMemo(() => kept.map(({ data }) => data).filter((message) => isWanted(message, wanted)), [kept, wanted]);
  return { isConnected: useStatus(isOpen, client), messages };
}

let count = 0;

/** The page's notifications: a component that is mounted later has them, too. */
const all = createFold<readonly ParkingNotification[]>([], (update) => {
  change = update;
  const client = page.client();
  const stops = [
    client.on("notification", (data, { at }) => update((list) => [...list, { ...(data as WebSocketMessage), id: `${++count}`, at, seen: false }].slice(-LIMIT))),
    // They are the former user's.
    client.subscribe(() => {
      if (client.snapshot().status === "unauthorized") update((list) => (list.length === 0 ? list : []));
    }),
  ];
  return () => stops.forEach((stop) => stop());
});

export interface Notifications {
  isConnected: boolean;
  /** Oldest first; the last 200 are kept. */
  notifications: readonly ParkingNotification[];
  unseen: number;
  /** Marks one, or all that the component shows. */
  markSeen(id?: string): void;
}

export function useNotifications(wanted?: readonly string[]): Notifications {
  const names = useTopics(wanted);
  const list = useSyncExternalStore(all.subscribe, all.shown, all.idle);
  const notifications = useMemo(() => list.filter((one) => isWanted(one, names)), [list, names]);
  const markSeen = useMemo(
    () => (id?: string) => change?.((now) => now.map((one) => (!one.seen && (id === undefined ? isWanted(one, names) : one.id === id) ? { ...one, seen: true } : one))),
    [names],
  );
  return { isConnected: useStatus(isOpen, page.client()), notifications, unseen: notifications.filter(({ seen }) => !seen).length, markSeen };
}

/** Loads anew what may have been missed. */
export const useMissed: typeof useMissedOf = (handler) => useMissedOf(handler, page.client());
