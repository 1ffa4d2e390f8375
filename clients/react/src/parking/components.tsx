"use client";
// The notification centre, and the state of its connection.

import { useEffect, useRef, type JSX } from "react";

import { ConnectionStatus, MissedBanner, NotificationList, type ConnectionStatusProps, type NotificationListProps } from "../components/index.js";
import { useLatest } from "../hooks/latest.js";
import { parkingClient, useNotifications } from "./notifications.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={parkingClient()} />;

export interface NotificationCenterProps extends Omit<NotificationListProps, "items" | "onMarkAllRead" | "children"> {
  /** Types of notifications. Default: those of `configure`. */
  topics?: readonly string[] | undefined;
  /** How many are shown, the newest ones. Default: 50. */
  limit?: number | undefined;
  /** Is called with each new notification: `notify` of `useBrowserNotifications`, for instance. */
  notify?: ((notification: { title: string; tag: string }) => unknown) | undefined;
  /** Loads what was missed, into what the page shows. */
  load?: (() => unknown) | undefined;
}

export function NotificationCenter({ topics, limit = 50, load, notify, ...props }: NotificationCenterProps): JSX.Element {
  const { notifications, markSeen } = useNotifications(topics);
  const latest = useLatest(notify);
  const last = Number(notifications.at(-1)?.id ?? 0);
  const told = useRef(last);
  useEffect(() => {
    for (const { id, message, type } of notifications) if (Number(id) > told.current) latest()?.({ title: message || type, tag: `parking-${id}` });
    told.current = last;
  }, [notifications, last, latest]);
  const items = notifications.slice(-limit).reverse();
  const { labels } = props;
  return (
    <NotificationList {...props} items={items.map(({ message, type, ...rest }) => ({ ...rest, type, title: message || type }))} onMarkAllRead={() => markSeen()}>
      <ConnectionStatus of={parkingClient()} labels={labels} />
      <MissedBanner of={parkingClient()} labels={labels} load={load} />
    </NotificationList>
  );
}
