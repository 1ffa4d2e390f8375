"use client";
// The notification centre, and the state of its connection.

import type { JSX } from "react";

import { ConnectionStatus, MissedBanner, NotificationList, type ConnectionStatusProps, type NotificationListProps } from "../components/index.js";
import { parkingClient, useNotifications } from "./notifications.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={parkingClient()} />;

export interface NotificationCenterProps extends Omit<NotificationListProps, "items" | "onMarkAllRead" | "children"> {
  /** Types of notifications. Default: those of `configure`. */
  topics?: readonly string[] | undefined;
  /** How many are shown, the newest ones. Default: 50. */
  limit?: number | undefined;
  /** Loads what was missed, into what the page shows. */
  load?: (() => unknown) | undefined;
}

export function NotificationCenter({ topics, limit = 50, load, ...props }: NotificationCenterProps): JSX.Element {
  const { notifications, markSeen } = useNotifications(topics);
  const items = notifications.slice(-limit).reverse();
  const { labels } = props;
  return (
    <NotificationList {...props} items={items.map(({ message, type, ...rest }) => ({ ...rest, type, title: message || type }))} onMarkAllRead={() => markSeen()}>
      <ConnectionStatus of={parkingClient()} labels={labels} />
      <MissedBanner of={parkingClient()} labels={labels} load={load} />
    </NotificationList>
  );
}
