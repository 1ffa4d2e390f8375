"use client";
// The number of unread notifications.

import { useEffect, useMemo, useState, type JSX } from "react";

import { Badge, type BadgeProps } from "../components/index.js";
import { useUser } from "../context.js";
import { useLatest } from "../hooks/latest.js";
import { NAME, useShopClient, useShopEvent } from "./context.js";
import type { NotificationCountUpdated } from "./events.js";

export interface RealTimeNotificationBadgeProps extends Omit<BadgeProps, "count"> {
  /** Loads the number: at first, when the server says that it has changed, and when events may have been missed. */
  loadCount?: (() => Promise<number>) | undefined;
  initialCount?: number | undefined;
}

/** Counts each notification once. */
export function RealTimeNotificationBadge({ loadCount, initialCount = 0, ...props }: RealTimeNotificationBadgeProps): JSX.Element {
  const client = useShopClient("RealTimeNotificationBadge");
  const user = useUser(NAME);
  const [count, setCount] = useState(initialCount);
  const [[initial, former], setFrom] = useState([initialCount, client] as const);
  if (initial !== initialCount || former !== client) {
    setFrom([initialCount, client]);
    setCount(initialCount);
  }

  const latest = useLatest(loadCount);
  const loader = useMemo(() => createLoader(() => latest()?.(), setCount), [latest]);
  const canLoad = !!loadCount;
  useEffect(() => {
    if (!canLoad) return undefined;
    loader.load().catch(ignore);
    return client.onMissed(loader.load);
  }, [client, loader, canLoad]);

  const onReceived = () => {
    setCount((n) => n + 1);
    loader.spoil();
  };
  useShopEvent("notification_received", onReceived, client);
  const onCount = ({ userId }: NotificationCountUpdated) => {
    // It goes to everyone of the role.
    if (canLoad && `${user ?? userId}` === `${userId}`) loader.load().catch(ignore);
  };
  useShopEvent("notification_count_updated", onCount, client);
  return <Badge {...props} count={count} />;
}

const ignore = () => undefined;

/** One load at a time; a number that something has spoilt meanwhile is loaded once more. */
function createLoader(load: () => Promise<number> | undefined, show: (count: number) => void) {
  let running: Promise<void> | undefined;
  let isSpoilt = false;
  const spoil = () => {
    isSpoilt = true;
  };
  const run = async () => {
    do {
      isSpoilt = false;
      const count = await load();
      if (!isSpoilt && count !== undefined) show(count);
    } while (isSpoilt);
  };
  return {
    spoil,
    load: () => {
      spoil();
      return (running ??= run().finally(() => {
        running = undefined;
      }));
    },
  };
}
