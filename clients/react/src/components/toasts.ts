"use client";
// Toasts: short messages that leave after a while, never while they are read.

import { createElement, useEffect, useMemo, useState, type ReactElement } from "react";

import { useClientOf, type Of } from "../context.js";
import { announced } from "./announcer.js";
import { boardOf, spoken, type Toast } from "./board.js";
import { hidden, icon, useConnected, useFirst, useParts, type ConnectedProps, type PartProps } from "./parts.js";

/** More than this many are not shown: the oldest goes, but an error stays. */
const MOST = 5;
/** How often the clocks of toasts go on. */
const TICK = 250;

export interface Toaster {
  /** Shows a toast and speaks it. One with the same id is replaced. Returns the id. */
  show(this: void, toast: Omit<Toast, "id"> & { id?: string }): string;
  dismiss(this: void, id: string): void;
  clear(this: void): void;
}

let ids = 0;

/** Shows and dismisses the toasts of a provider. The same object for the component's life: it never renders again. */
export function useToasts(of?: Of): Toaster {
  const client = useClientOf("useToasts", of);
  return useMemo(() => {
    const { get, set } = boardOf(client);
    const without = (id: string) => get().toasts.filter((one) => one.id !== id);
    return {
      show: ({ id = `cg-${++ids}`, ...toast }) => {
        const { title, body, kind, counts } = toast;
        const toasts = [...without(id), { ...toast, id }];
        const oldest = toasts.length > MOST && toasts.find((one) => one.kind !== "error");
        const text = body ? `${title}: ${body}` : title;
        set({
          toasts: toasts.filter((one) => one !== oldest),
          ...(kind === "error" ? { urgent: spoken(text) } : { waiting: [...get().waiting, { text, counts }] }),
        });
        return id;
      },
      dismiss: (id) => set({ toasts: without(id) }),
      clear: () => set({ toasts: [] }),
    };
  }, [client]);
}

/** The toasts of a provider. Of several only the first is rendered. */
export function Toasts(props: ConnectedProps): ReactElement {
  const connected = useConnected("Toasts", props);
  const { h, labels, root, shared: { toasts } } = connected;
  const { dismiss } = useToasts(props.of);
  return announced(
    props,
    useFirst(connected, "regions") &&
      h("toasts", "section", { ...root, "aria-label": labels.messages }, h("items", "ol", null, toasts.map((toast) => createElement(One, { ...props, key: toast.id, toast, dismiss })))),
  );
}

function One({ toast, dismiss, ...props }: PartProps & { toast: Toast; dismiss: Toaster["dismiss"] }): ReactElement {
  const { h, labels } = useParts(props);
  const { id, title, body, kind = "info", duration = 6000 } = toast;
  const [item, setItem] = useState<HTMLElement | null>(null);
  useEffect(() => {
    if (kind === "error" || duration === null) return;
    let left = Math.max(5000, duration);
    const timer = setInterval(() => {
      // The clocks of all stop while one of them may be read, and in a tab that is not seen.
      if (!document.hidden && !item?.parentElement?.matches(":hover,:focus-within") && (left -= TICK) <= 0) dismiss(id);
    }, TICK);
    return () => clearInterval(timer);
  }, [toast, id, kind, duration, dismiss, item]);
  const close = () => {
    // A user who is inside goes on with the next one; one who is elsewhere stays there.
    const next = item?.nextElementSibling ?? item?.previousElementSibling;
    if (item?.matches(":focus-within")) next?.querySelector("button")?.focus();
    dismiss(id);
  };
  return h(
    "toast",
    "li",
    { ref: setItem, "data-kind": kind, onKeyDown: ({ key }) => key === "Escape" && close() },
    icon(h),
    h(
      "text",
      "div",
      { dir: "auto" },
      h("title", "p", null, (kind === "error" || kind === "warning") && h("hidden", "span", hidden, labels[kind], ": "), title),
      body && h("body", "p", null, body),
    ),
    h("dismiss", "button", { type: "button", "aria-label": labels.dismiss(title), onClick: close }, "×"),
  );
}
