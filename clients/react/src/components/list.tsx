"use client";
// A list of notifications, the newest first.

import type { JSX, ReactNode } from "react";

import { time } from "../labels.js";
import { Hidden, parts, speech, useLabels, type PartProps } from "./parts.js";

export interface NotificationItem {
  readonly id: string | number;
  readonly title: string;
  readonly body?: string | undefined;
  /** Milliseconds since 1970, or a date. */
  readonly at?: number | Date | undefined;
  /** Written to `data-type`, for styles of the application. */
  readonly type?: string | undefined;
  readonly seen?: boolean | undefined;
  /** Shown when it is opened. */
  readonly data?: unknown;
}

export interface NotificationListProps extends PartProps {
  /** Shown in this order. */
  items: readonly NotificationItem[];
  /** Default: `labels.notifications`. */
  heading?: string | undefined;
  /** Beside the heading, for example `<ConnectionStatus />`. */
  status?: ReactNode;
  /** With it there is a button while something is unread. */
  onMarkAllRead?: (() => void) | undefined;
  /** Called when an item's details are opened. */
  onOpen?: ((item: NotificationItem) => void) | undefined;
}

export function NotificationList({ items, heading, status, onMarkAllRead, onOpen, ...props }: NotificationListProps): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  const title = heading ?? labels.notifications;
  return (
    <section {...p("list", true)} {...speech(labels)} aria-label={title}>
      <div {...p("header")}>
        <h3 {...p("heading")}>{title}</h3>
        {status}
        {onMarkAllRead && items.some((item) => item.seen === false) && (
          <button {...p("button")} type="button" onClick={onMarkAllRead}>
            {labels.markAllRead}
          </button>
        )}
      </div>
      {items.length ? (
        <ul {...p("items")}>
          {items.map((item) => (
            <li {...p("item")} key={item.id} data-type={item.type} data-seen={item.seen}>
              <p {...p("title")} dir="auto">
                {item.seen === false && (
                  <span {...p("unread")}>
                    <Hidden>{labels.unread}: </Hidden>
                  </span>
                )}
                {item.title}
              </p>
              {item.at !== undefined && (
                <time {...p("time")} dateTime={new Date(item.at).toISOString()}>
                  {time(labels.locale, item.at)}
                </time>
              )}
              {item.body && <p {...p("body")} dir="auto">{item.body}</p>}
              {item.data !== undefined && item.data !== null && (
                <details {...p("details")} onToggle={(event) => event.currentTarget.open && onOpen?.(item)}>
                  <summary {...p("summary")}>{labels.details}</summary>
                  <Data {...props} data={item.data} />
                </details>
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p {...p("empty")}>{labels.noNotifications}</p>
      )}
    </section>
  );
}

/** Fields and values; what is nested as JSON. */
function Data({ data, ...props }: PartProps & { data: unknown }): JSX.Element {
  const p = parts(props);
  return (
    <dl {...p("facts")} dir="auto">
      {Object.entries(typeof data === "object" ? (data as object) : { "": data }).map(([name, value]) => (
        <div {...p("fact")} key={name}>
          <dt {...p("term")}>{name}</dt>
          <dd {...p("value")}>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
