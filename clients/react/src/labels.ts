// Every word that the components show or speak, as one typed object, and English.

import type { Status } from "@channelgate/client";

/** Plural forms by the rules of `Intl.PluralRules`; `#` becomes the number. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };
export type Count = (n: number) => string;

/** The words of the components. */
export interface ComponentLabels {
  /** For `Intl` and for the `lang` attribute. */
  locale: string;
  dir: "ltr" | "rtl";

  status: Record<Status, string>;
  /** Follows the status: "Reconnecting" and ", again in 4 s". */
  again: Count;
  tryAgain: string;
  /** Milliseconds. */
  ms: Count;
  node: string;
  latency: string;
  attempts: string;
  drops: string;
  queued: string;

  /** Two times of day, already written. */
  missed: (from: string, to: string) => string;
  recovering: string;
  loadAnew: string;

  dismiss: (title: string) => string;
  /** Names of the marks of errors, warnings and what is unread. */
  error: string;
  warning: string;
  /** What is spoken instead of several messages. */
  newUpdates: Count;

  /** The name of the region with the toasts, of the badge and of the list. */
  notifications: string;
  /** The name of the badge: "Notifications, 3 unread". */
  unreadCount: Count;
  unread: string;
  noNotifications: string;
  markAllRead: string;
}

/** The words of the five systems, and of browser notifications. */
export interface PresetLabels {
  total: string;
  present: string;
  late: string;
  absent: string;
  attendance: string;
  noUpdates: string;
  /** A time, already written. */
  lastUpdate: (time: string) => string;
  markAttendance: string;
  updating: string;
  /** Names, already joined, and how many they are. */
  typing: (names: string, n: number) => string;
  newAttendance: Count;
  newNotifications: Count;
  newWorkOrders: Count;

  notifyMe: string;
  notifyOn: string;
  notifyBlocked: string;
}

export type Labels = ComponentLabels & PresetLabels;

/** Makes a function of plural forms. */
export const plural =
  (locale: string) =>
  (forms: Forms): Count =>
  (n) =>
    (forms[new Intl.PluralRules(locale).select(n)] ?? forms.other).replace("#", number(locale, n));

export const number = (locale: string, n: number): string => n.toLocaleString(locale);

const DAY = 86_400_000;

/** A time of day; with its date where it was more than a day ago. */
export const time = (locale: string, at: number | Date, timeStyle: "short" | "medium" = "short"): string =>
  new Date(at).toLocaleString(locale, { timeStyle, dateStyle: +at < Date.now() - DAY ? "medium" : undefined });

/** The words of the components in English. Those of the five systems are in preset-labels.ts: who needs none loads none. */
export const english: ComponentLabels = {
  locale: "en",
  dir: "ltr",
  status: {
    idle: "Not connected",
    connecting: "Connecting",
    open: "Connected",
    reconnecting: "Reconnecting",
    offline: "Waiting for network",
    unauthorized: "Session ended",
    failed: "Connection failed",
    closed: "Disconnected",
  },
  again: (n) => `, again in ${n} s`,
  tryAgain: "Try again",
  ms: (n) => `${n} ms`,
  node: "Node",
  latency: "Latency",
  attempts: "Attempts",
  drops: "Drops",
  queued: "Queued",
  missed: (from, to) => `Updates between ${from} and ${to} may be missing.`,
  recovering: "Loading missed updates",
  loadAnew: "Load anew",
  dismiss: (title) => `Dismiss: ${title}`,
  error: "Error",
  warning: "Warning",
  newUpdates: (n) => `${n} new updates`,
  notifications: "Notifications",
  unreadCount: (n) => `Notifications, ${n} unread`,
  unread: "Unread",
  noNotifications: "No notifications",
  markAllRead: "Mark all read",
};
