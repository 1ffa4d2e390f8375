"use client";
// The connection and new notifications of the repair shop.

import type { JSX } from "react";

import { ConnectionStatus, Toasts, useLabels, useToasts, type ConnectionStatusProps, type ConnectedProps } from "../components/index.js";
import { shopEnglish } from "../preset-labels.js";
import { useShopClient, useShopEvent } from "./context.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={useShopClient("WebSocketStatus")} />;

export interface RealTimeToastsProps extends Omit<ConnectedProps, "of"> {
  /** Instead of a message: `notify` of `useBrowserNotifications`, which shows one if the page is in front. */
  notify?: ((notification: { tag: string; title: string; body: string; counts: (n: number) => string }) => unknown) | undefined;
}

/** Shows each notification as a message. */
export function RealTimeToasts({ notify, ...props }: RealTimeToastsProps): JSX.Element {
  const client = useShopClient("RealTimeToasts");
  const { show } = useToasts(client);
  const { newNotifications: counts } = useLabels(props.labels, shopEnglish);
  useShopEvent(
    "notification_received",
    ({ notification: { id, title, message: body } }) => {
      const tag = `notification-${id}`;
      if (notify) notify({ tag, title, body, counts });
      else show({ id: tag, title, body, counts });
    },
    client,
  );
  return <Toasts {...props} of={client} />;
}
