"use client";
// Toasts: short messages that leave after a while, never while they are read.

import { useEffect, useMemo, useState, type ReactElement } from "react";

import { useClientOf, type Of } from "../context.js";
import { Announcer } from "./announcer.js";
import { useConnection, useFirst, useStore } from "./client.js";
import { hidden, useParts, type PartProps } from "./parts.js";
import { boardOf, say, type Toast } from "./store.js";

/** More than this many are not shown: the oldest goes, errors last. */
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
    const board = boardOf(client);
    const { get, set } = board.toasts;
    const without = (id: string) => get().filter((one) => one.id !== id);
    return {
      show: ({ id = `cg-${++ids}`, ...toast }) => {
        const { title, body, kind, counts } = toast;
        const list = [...without(id), { ...toast, id }];
        if (list.length > MOST) list.splice(Math.max(0, list.findIndex((one) => one.kind !== "error")), 1);
        set(list);
        say(board, { text: body ? `${title}: ${body}` : title, counts, isError: kind === "error" });
        return id;
      },
      dismiss: (id) => set(without(id)),
      clear: () => set([]),
    };
  }, [client]);
}

export interface ToastsProps extends PartProps {
  of?: Of | undefined;
}

/** The toasts of a provider. Of several only the first is rendered. */
export function Toasts({ of, ...props }: ToastsProps): ReactElement {
  const { h, labels, root } = useParts(props);
  const { board } = useConnection("Toasts", of);
  const { dismiss } = useToasts(of);
  const toasts = useStore(board.toasts);
  return (
    <>
      <Announcer of={of} labels={props.labels} />
      {useFirst(board.regions) &&
        h(
          "toasts",
          "section",
          { ...root, "aria-label": labels.messages },
          h("items", "ol", null, toasts.map((toast) => <One key={toast.id} {...{ ...props, toast, dismiss }} />)),
        )}
    </>
  );
}

interface OneProps extends PartProps {
  toast: Toast;
  dismiss: Toaster["dismiss"];
}

function One({ toast, dismiss, ...props }: OneProps): ReactElement {
  const { h, labels } = useParts(props);
  const { id, title, body, kind = "info", duration = 6000, action } = toast;
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
  const close = (element: HTMLElement) => {
    // A user who is inside goes on with the next one; one who is elsewhere stays there.
    const next = element.nextElementSibling ?? element.previousElementSibling;
    if (element.matches(":focus-within")) next?.querySelector<HTMLElement>("button:last-child")?.focus();
    dismiss(id);
  };
  return h(
    "toast",
    "li",
    { ref: setItem, "data-kind": kind, onKeyDown: ({ key, currentTarget }) => key === "Escape" && close(currentTarget) },
    h("icon", "i", { "aria-hidden": true }),
    h(
      "text",
      "div",
      { dir: "auto" },
      h("title", "p", null, (kind === "error" || kind === "warning") && <span style={hidden}>{labels[kind]}: </span>, title),
      body && h("body", "p", null, body),
    ),
    action && h("button", "button", { type: "button", onClick: action.onClick }, action.label),
    h("dismiss", "button", { type: "button", "aria-label": labels.dismiss(title), onClick: ({ currentTarget }) => close(currentTarget.parentElement!) }, "×"),
  );
}
