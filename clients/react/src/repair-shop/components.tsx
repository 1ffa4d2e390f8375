"use client";
// The connection and new notifications of the repair shop.

import type { JSX } from "react";

import { ConnectionStatus, Toasts, useLabels, useToasts, type ConnectionStatusProps, type ConnectedProps } from "../components/index.js";
import { useEvent, type UseEvent } from "../hooks/events.js";
import { shopEnglish } from "../preset-labels.js";
import { useShopClient } from "./context.js";
import type { RepairShopEvents } from "./events.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={useShopClient("WebSocketStatus")} />;

/** Shows each notification as a message. */
export function RealTimeToasts(props: Omit<ConnectedProps, "of">): JSX.Element {
  const client = useShopClient("RealTimeToasts");
  const { show } = useToasts(client);
  const { newNotifications } = useLabels(props.labels, shopEnglish);
  (useEvent as UseEvent<RepairShopEvents>)(
    "notification_received",
    ({ notification: { id, title, message } }) => void show({ id: `notification-${id}`, title, body: message, counts: newNotifications }),
    client,
  );
  return <Toasts {...props} of={client} />;
}
