"use client";
// The number of unread notifications.

import { useEffect, useMemo, useState, type JSX } from "react";

import { Badge, type BadgeProps } from "../components/badge.js";
import { useEvent, type UseEvent } from "../hooks/events.js";
import { useLatest } from "../hooks/latest.js";
import { useShop, useShopClient } from "./context.js";
import type { RepairShopEvents } from "./events.js";

const useShopEvent: UseEvent<RepairShopEvents> = useEvent;

export interface RealTimeNotificationBadgeProps extends Omit<BadgeProps, "count"> {
  /** Loads the number: at first, when the server says that it has changed, and when events may have been missed. */
  loadCount?: ((signal: AbortSignal) => Promise<number>) | undefined;
  initialCount?: number | undefined;
}

/** Counts each notification once. */
export function RealTimeNotificationBadge({ loadCount, initialCount = 0, ...props }: RealTimeNotificationBadgeProps): JSX.Element {
  const client = useShopClient("RealTimeNotificationBadge");
  const { user } = useShop();
  const [count, setCount] = useState(initialCount);
  const [from, setFrom] = useState(initialCount);
  if (from !== initialCount) {
    setFrom(initialCount);
    setCount(initialCount);
  }

  const latest = useLatest(loadCount);
  const loader = useMemo(() => createLoader((signal) => latest()?.(signal), setCount), [latest]);
  const canLoad = loadCount !== undefined;
  useEffect(() => {
    if (!canLoad) return undefined;
    loader.load().catch(ignore);
    const stop = client.onMissed(loader.load);
    return () => {
      stop();
      loader.stop();
    };
  }, [client, loader, canLoad]);

  useShopEvent(
    "notification_received",
    () => {
      setCount((n) => n + 1);
      loader.stale();
    },
    client,
  );
  useShopEvent(
    "notification_count_updated",
    ({ userId }) => {
      // It goes to everyone of the role.
      const me = user();
      if (canLoad && (me === null || me === String(userId))) loader.load().catch(ignore);
    },
    client,
  );
  return <Badge {...props} count={count} />;
}

const ignore = (): undefined => undefined;

/** One load at a time; what makes its result out of date is followed by another. */
function createLoader(load: (signal: AbortSignal) => Promise<number> | undefined, show: (count: number) => void) {
  let running: Promise<void> | null = null;
  let isStale = false;
  let life = new AbortController();
  const run = async ({ signal }: AbortController) => {
    do {
      isStale = false;
      const count = await load(signal);
      if (signal.aborted) return;
      if (count !== undefined && !isStale) show(count);
    } while (isStale);
  };
  return {
    load: () => {
      isStale = true;
      return (running ??= run(life).finally(() => (running = null)));
    },
    stale: () => {
      isStale = running !== null;
    },
    stop: () => {
      life.abort();
      life = new AbortController();
      running = null;
    },
  };
}
