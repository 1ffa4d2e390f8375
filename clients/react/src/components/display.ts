"use client";
// Components that show what they are given: a badge, a row of figures, a list of notifications.

import type { MouseEventHandler, ReactElement, ReactNode } from "react";

import { number, time } from "../labels.js";
import { button, facts, hidden, useParts, type PartProps } from "./parts.js";

export interface BadgeProps extends PartProps {
  count: number;
  onClick?: MouseEventHandler<HTMLElement> | undefined;
  /** Instead of the word, which styles.css shows as a bell. */
  children?: ReactNode;
}

/** A button with a number. Its name says the number; above 99 "99+" is shown. */
export function Badge({ count, onClick, children, ...props }: BadgeProps): ReactElement {
  const { h, labels, root } = useParts(props);
  return h(
    "badge",
    "button",
    { ...root, type: "button", "aria-label": count ? labels.unreadCount(count) : labels.notifications, onClick },
    children ?? h("text", "span", null, labels.notifications),
    count > 0 && h("count", "span", { "aria-hidden": true }, number(labels.locale, Math.min(count, 99)), count > 99 && "+"),
  );
}

export interface Figure {
  readonly term: string;
  /** A number is written as the labels' locale does; null: not known yet. */
  readonly value: number | string | null;
  readonly tone?: "good" | "warn" | "bad" | undefined;
}

export interface FiguresProps extends PartProps {
  figures: readonly Figure[];
  /** Above the row, for example "Live attendance". */
  heading?: string | undefined;
  /** Below the row, for example the time of the last update. */
  children?: ReactNode;
}

/** Numbers that change in place: their width stays, and what changed is marked for a moment. */
export function Figures({ figures, heading, children, ...props }: FiguresProps): ReactElement {
  const { h, labels, root } = useParts(props);
  return h(
    "figures",
    "section",
    { ...root, "aria-label": heading },
    heading && h("heading", "h3", null, heading),
    facts(h, figures.map(({ term, value, tone }) => [term, typeof value === "number" ? number(labels.locale, value) : (value ?? "–"), { "data-tone": tone }])),
    children && h("footer", "div", null, children),
  );
}

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
  const { h, labels, root } = useParts(props);
  const name = heading ?? labels.notifications;
  const shown = items.map(({ id, title, body, at, type, seen, data }) =>
    h(
      "item",
      "li",
      { key: id, "data-type": type, "data-seen": seen },
      h("title", "p", { dir: "auto" }, seen === false && h("unread", "span", null, h("hidden", "span", hidden, labels.unread, ": ")), title),
      at && h("time", "time", { dateTime: new Date(at).toISOString() }, time(labels.locale, at)),
      body && h("body", "p", { dir: "auto" }, body),
      data && facts(h, Object.entries(data).map(([field, value]) => [field, typeof value === "string" ? value : JSON.stringify(value)])),
    ),
  );
  return h(
    "list",
    "section",
    { ...root, "aria-label": name },
    h(
      "header",
      "div",
      null,
      h("heading", "h3", null, name),
      children,
      onMarkAllRead && items.some((item) => item.seen === false) && button(h, labels.markAllRead, onMarkAllRead),
    ),
    shown[0] ? h("items", "ul", null, shown) : h("empty", "p", null, labels.noNotifications),
  );
}
