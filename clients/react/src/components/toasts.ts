"use client";
// Toasts: short messages that leave after a while, never while they are read.

import { useEffect, useState, type ReactElement } from "react";

import { useClientOf, type Of } from "../context.js";
import { boardOf, type Toaster } from "./store.js";
import { announced, mark, useConnected, useFirst, type ConnectedProps } from "./parts.js";

/** How often the clocks of toasts go on. */
const TICK = 250;

/** Shows and dismisses the toasts of a provider. The same object for the client's life: it never renders again. */
export const useToasts = (of?: Of): Toaster => boardOf(useClientOf("useToasts", of));

export type ToastsProps = ConnectedProps;

/** The toasts of a provider. Of several only one is rendered. */
export function Toasts(props: ToastsProps): ReactElement {
  const connected = useConnected("Toasts", props);
  const { h, labels, root, board: { get, dismiss }, state: { toasts } } = connected;
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
    // A user who dismisses toasts goes on with the next one.
    const next = item?.nextElementSibling ?? item?.previousElementSibling;
    (next?.lastChild as HTMLElement | undefined)?.focus();
    dismiss(id);
  };
  const shown = toasts.map(({ id, kind, title, body }) =>
    h(
      "toast",
      "li",
      { key: id, "data-kind": kind, onKeyDown: ({ key, currentTarget }) => key === "Escape" && close(id, currentTarget) },
      mark(h, "icon", labels[kind as "error"]),
      h("title", "p", { dir: "auto" }, title),
      body && h("body", "p", { dir: "auto" }, body),
      h("dismiss", "button", { type: "button", "aria-label": labels.dismiss(title), onClick: ({ currentTarget }) => close(id, currentTarget.parentElement) }, "×"),
    ),
  );
  return announced(props, isFirst && h("toasts", "section", { ...root, ref: setRegion, "aria-label": labels.notifications }, h("items", "ol", {}, shown)));
}
