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

  /** The name of the group around the status. */
  connection: string;
  status: Record<Status, string>;
  /** Follows the status: "Reconnecting, again in 4 s". */
  again: Count;
  tryAgain: string;
  signIn: string;
  since: string;
  node: string;
  latency: string;
  attempts: string;
  drops: string;
  queued: string;

  /** Two times of day, already written. */
  missed: (from: string, to: string) => string;
  recovering: string;
  loadAnew: string;

  /** The name of the region with the toasts. */
  messages: string;
  dismiss: (title: string) => string;
  error: string;
  warning: string;
  /** What is spoken instead of several messages. */
  newUpdates: Count;

  notifications: string;
  /** The name of the badge: "Notifications, 3 unread". */
  unreadCount: Count;
  unread: string;
  noNotifications: string;
  markAllRead: string;
  details: string;
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

export const number = (locale: string, n: number, unit?: string): string =>
  new Intl.NumberFormat(locale, unit ? { style: "unit", unit } : {}).format(n);

/** A time of day; with its date where it is another day than `today`. */
export const time = (locale: string, at: number | Date, timeStyle: "short" | "medium" = "short", today: Date = new Date()): string =>
  new Intl.DateTimeFormat(locale, {
    timeStyle,
    ...(new Date(at).toDateString() === today.toDateString() ? {} : { dateStyle: "medium" }),
  }).format(at);

/** The words of the components in English. Those of the five systems are in preset-labels.ts: who needs none loads none. */
export const english: ComponentLabels = /* @__PURE__ */ (() => {
  const count = plural("en");
  return {
    locale: "en",
    dir: "ltr",
    connection: "Connection",
    status: {
      idle: "Not connected",
      connecting: "Connecting",
      open: "Connected",
      reconnecting: "Reconnecting",
      offline: "Waiting for network",
      unauthorized: "Your session has ended",
      failed: "Connection failed",
      closed: "Disconnected",
    },
    again: count({ other: "again in # s" }),
    tryAgain: "Try again",
    signIn: "Sign in",
    since: "Since",
    node: "Node",
    latency: "Latency",
    attempts: "Failed attempts",
    drops: "Lost connections",
    queued: "Waiting messages",
    missed: (from, to) => `Updates between ${from} and ${to} may be missing.`,
    recovering: "Loading what was missed",
    loadAnew: "Load anew",
    messages: "Messages",
    dismiss: (title) => `Dismiss: ${title}`,
    error: "Error",
    warning: "Warning",
    newUpdates: count({ one: "# new update", other: "# new updates" }),
    notifications: "Notifications",
    unreadCount: count({ other: "Notifications, # unread" }),
    unread: "Unread",
    noNotifications: "No notifications yet",
    markAllRead: "Mark all as read",
    details: "Details",
  };
})();
