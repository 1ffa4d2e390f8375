"use client";
// Browser notifications: asked for by a click only, not again after "denied", and never while the page is in front.

import { useCallback, useSyncExternalStore, type ReactElement } from "react";

import { useLabels, useParts, type ConnectedProps } from "./components/parts.js";
import type { Toast } from "./components/store.js";
import { useToasts } from "./components/toasts.js";
import type { Of } from "./context.js";
import { allEnglish } from "./preset-labels.js";

/** `unsupported`: the browser has none, or the page is not secure (https). */
export type Permission = "default" | "granted" | "denied" | "unsupported";

export interface BrowserNotification extends Omit<Toast, "id"> {
  /** One with the same tag replaces the former one. */
  readonly tag?: string | undefined;
  readonly icon?: string | undefined;
  /** After the click, when the page is in front. */
  readonly onClick?: (() => void) | undefined;
}

export interface BrowserNotifications {
  readonly permission: Permission;
  /** Asks the user. To be called from a click: elsewhere, and after "denied", it asks nothing and returns what is known. */
  ask(this: void): Promise<Permission>;
  /** Shows a toast if the page is in front or notifications are not granted, and a notification otherwise. */
  notify(this: void, notification: BrowserNotification): "toast" | "notification";
}

/** Where "denied" is kept: some browsers forget it with the window. */
const KEY = "channelgate:notifications";

const listeners = new Set<() => void>();
const changed = () => listeners.forEach((listener) => listener());

let isWatched = false;

function subscribe(listener: () => void) {
  listeners.add(listener);
  if (!isWatched) void watch();
  return () => listeners.delete(listener);
}

/** Follows what the user changes in the browser's settings. Some browsers do not know this name. */
async function watch() {
  isWatched = true;
  const status = await navigator.permissions?.query({ name: "notifications" }).catch(() => undefined);
  if (status) {
    status.onchange = () => {
      stored(status.state === "prompt" ? "default" : status.state);
      changed();
    };
  }
}

function stored(set?: Permission): string | null {
  try {
    if (set === "denied") localStorage.setItem(KEY, set);
    else if (set) localStorage.removeItem(KEY);
    return localStorage.getItem(KEY);
  } catch {
    return null; // Storage is blocked: only the browser remembers.
  }
}

function read(): Permission {
  if (typeof Notification === "undefined") return "unsupported";
  return Notification.permission === "default" && stored() === "denied" ? "denied" : Notification.permission;
}

const onServer = (): Permission => "unsupported";

async function ask(): Promise<Permission> {
  const known = read();
  if (known !== "default" || navigator.userActivation?.isActive === false) return known;
  const answer = await Notification.requestPermission();
  stored(answer);
  changed();
  return answer;
}

/** Whether the user sees the page, or has its window in front. */
const isInFront = () => document.visibilityState === "visible" && document.hasFocus();

async function display({ title, body, tag, icon, onClick }: BrowserNotification): Promise<void> {
  const options = { ...(body && { body }), ...(tag && { tag }), ...(icon && { icon }) };
  try {
    const shown = new Notification(title, options);
    shown.onclick = () => {
      window.focus();
      onClick?.();
      shown.close();
    };
  } catch {
    // Android has them by service workers only.
    const worker = await navigator.serviceWorker?.getRegistration();
    await worker?.showNotification(title, options);
  }
}

export function useBrowserNotifications(of?: Of): BrowserNotifications {
  const { show } = useToasts(of);
  const permission = useSyncExternalStore(subscribe, read, onServer);
  const notify = useCallback(
    (notification: BrowserNotification) => {
      if (isInFront() || read() !== "granted") {
        const { tag: id, title, body, kind, duration, counts } = notification;
        show({ title, body, kind, duration, counts, ...(id && { id }) });
        return "toast";
      }
      void display(notification);
      return "notification";
    },
    [show],
  );
  return { permission, ask, notify };
}

/** Asks for the permission by its click, and says what was answered. Nothing where notifications are not supported. */
export function NotificationPermission({ of, ...props }: ConnectedProps): ReactElement | null {
  const { h, root } = useParts(props);
  const labels = useLabels(props.labels, allEnglish);
  const { permission } = useBrowserNotifications(of);
  if (permission === "unsupported") return null;
  return h(
    "notify",
    "div",
    { ...root, "data-permission": permission },
    permission === "default"
      ? h("button", "button", { type: "button", onClick: () => void ask() }, labels.notifyMe)
      : h("text", "p", null, permission === "granted" ? labels.notifyOn : labels.notifyBlocked),
  );
}
