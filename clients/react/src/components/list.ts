"use client";
// A list of notifications.

import type { ReactElement, ReactNode } from "react";

import { time } from "../labels.js";
import { button, facts, mark, useParts, type PartProps } from "./parts.js";
import { plain } from "./store.js";

export interface NotificationItem {
  readonly id: string | number;
  readonly title: string;
  readonly body?: string | undefined;
  /** Milliseconds since 1970, or a date. */
  readonly at?: number | Date | undefined;
  /** Written to `data-type`, for styles of the application. */
  readonly type?: string | undefined;
  /** `false` is shown as unread. */
  readonly seen?: boolean | undefined;
  /** Fields that are shown below. */
  readonly data?: object | null | undefined;
}

export interface NotificationListProps extends PartProps {
  /** Shown in this order. */
  items: readonly NotificationItem[];
  /** Default: `labels.notifications`. */
  heading?: string | undefined;
  /** Beside the heading, for example `<ConnectionStatus />`. */
  children?: ReactNode;
  /** With it there is a button while something is unread. */
  onMarkAllRead?: (() => void) | undefined;
}

export function NotificationList({ items, heading, children, onMarkAllRead, ...props }: NotificationListProps): ReactElement {
  const parts = useParts(props);
  const { h, labels, root } = parts;
  const shown = items.map(({ id, title, body, at, type, seen, data }) =>
    h(
      "item",
      "li",
      { key: id, "data-type": type, "data-seen": seen },
      h("title", "p", { dir: "auto" }, seen === false && mark(h, "unread", labels.unread), plain(title)),
      at && h("time", "time", { dateTime: new Date(at).toJSON(), suppressHydrationWarning: true }, time(labels.locale, at)),
      body && h("body", "p", { dir: "auto" }, plain(body)),
      data && facts(parts, Object.entries(data).map(([field, value]) => [field, plain(value)] as const)),
    ),
  );
  return h(
    "list",
    "section",
    root,
    h(
      "header",
      "div",
      {},
      h("heading", "h3", {}, heading ?? labels.notifications),
      children,
      onMarkAllRead && items.some((item) => item.seen === false) && button(h, labels.markAllRead, onMarkAllRead),
    ),
    shown[0] ? h("items", "ul", {}, shown) : h("empty", "p", {}, labels.noNotifications),
  );
}
