"use client";
// Toasts: short messages that leave after a while, never while they are read.

import { useEffect, useMemo, useState, type ReactElement } from "react";

import { useClientOf, type Of } from "../context.js";
import { announced } from "./announcer.js";
import { boardOf, say, type Toast } from "./store.js";
import { hidden, icon, useConnected, useFirst, type ConnectedProps } from "./parts.js";

/** More than this many are not shown: the oldest goes, but an error stays. */
const MOST = 5;
/** How often the clocks of toasts go on. */
const TICK = 250;

export interface Toaster {
  /** Shows a toast and speaks it. One with the same id is replaced. Returns the id. */
  show(this: void, toast: Omit<Toast, "id"> & { id?: string }): string;
  dismiss(this: void, id: string): void;
}

let ids = 0;

/** Shows and dismisses the toasts of a provider. The same object for the component's life: it never renders again. */
export function useToasts(of?: Of): Toaster {
  const client = useClientOf("useToasts", of);
  return useMemo(() => {
    const board = boardOf(client);
    const { get, set } = board;
    const without = (id: string) => get().toasts.filter((one) => one.id !== id);
    return {
      show: ({ id = `cg-${ids++}`, ...toast }) => {
        const { title, body, kind, duration = 6000, counts } = toast;
        const stays = kind === "error" || duration === null;
        const toasts = [...without(id), { ...toast, id, left: stays ? Infinity : Math.max(5000, duration) }];
        const oldest = toasts.length > MOST && toasts.find((one) => one.kind !== "error");
        const text = body ? `${title}\n${body}` : title;
        set({ toasts: toasts.filter((one) => one !== oldest) });
        say(board, { text, counts, isError: kind === "error" });
        return id;
      },
      dismiss: (id) => set({ toasts: without(id) }),
    };
  }, [client]);
}

export type ToastsProps = ConnectedProps;

/** The toasts of a provider. Of several only one is rendered. */
export function Toasts(props: ToastsProps): ReactElement {
  const connected = useConnected("Toasts", props);
  const { h, labels, root, board: { get }, shared: { toasts } } = connected;
  const { dismiss } = useToasts(props.of);
  const isFirst = useFirst(connected, "region");
  const [region, setRegion] = useState<HTMLElement | null>(null);
  const isEmpty = !toasts[0];
  useEffect(() => {
    if (isEmpty || !region) return;
    const timer = setInterval(() => {
      // The clocks stop while a toast may be read, and in a tab that is not seen.
      if (document.hidden || region.matches(":hover,:focus-within")) return;
      for (const toast of get().toasts) if ((toast.left -= TICK) <= 0) dismiss(toast.id);
    }, TICK);
    return () => clearInterval(timer);
  }, [isEmpty, region, get, dismiss]);
  const close = (id: string, item: Element | null) => {
    // A user who is inside goes on with the next one; one who is elsewhere stays there.
    const next = item?.nextElementSibling ?? item?.previousElementSibling;
    if (item?.matches(":focus-within")) next?.querySelector("button")?.focus();
    dismiss(id);
  };
  const shown = toasts.map(({ id, kind = "info", title, body }) =>
    h(
      "toast",
      "li",
      { key: id, "data-kind": kind, onKeyDown: ({ key, currentTarget }) => key === "Escape" && close(id, currentTarget) },
      icon(h),
      h(
        "text",
        "div",
        { dir: "auto" },
        h("title", "p", null, labels[kind as "error"] && h("hidden", "span", hidden, labels[kind as "error"]), title),
        body && h("body", "p", null, body),
      ),
      h("dismiss", "button", { type: "button", "aria-label": labels.dismiss(title), onClick: ({ currentTarget }) => close(id, currentTarget.parentElement) }, "×"),
    ),
  );
  return announced(props, isFirst && h("toasts", "section", { ...root, ref: setRegion, "aria-label": labels.messages }, h("items", "ol", null, shown)));
}
