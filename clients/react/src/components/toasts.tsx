"use client";
// Toasts: short messages that leave after a while, never while they are read.

import { useEffect, useMemo, useRef, useState, useSyncExternalStore, type FocusEvent, type JSX } from "react";

import { useClientOf, type Of } from "../context.js";
import { Announcer, useFirst } from "./announcer.js";
import { useConnection } from "./client.js";
import { Hidden, Icon, parts, speech, useLabels, type icons, type PartProps } from "./parts.js";
import { boardOf, type Toast, type ToastKind } from "./store.js";

/** More than this many are not shown: the oldest goes, errors last. */
const MOST = 5;

export interface Toaster {
  /** Shows a toast and speaks it. One with the same id is replaced. Returns the id. */
  show(toast: Omit<Toast, "id"> & { id?: string }): string;
  dismiss(id: string): void;
  clear(): void;
}

let ids = 0;

/** Shows and dismisses the toasts of a provider. The same object for the component's life: it never renders again. */
export function useToasts(of?: Of): Toaster {
  const client = useClientOf("useToasts", of);
  return useMemo(() => {
    const { toasts, utterances } = boardOf(client);
    return {
      show({ id = `cg-${++ids}`, ...toast }) {
        const list = [...toasts.get().filter((one) => one.id !== id), { ...toast, id }];
        if (list.length > MOST) list.splice(Math.max(0, list.findIndex((one) => one.kind !== "error")), 1);
        toasts.set(list);
        const text = [toast.title, toast.body].filter(Boolean).join(": ");
        utterances.set([...utterances.get(), { text, counts: toast.counts ?? "update", error: toast.kind === "error" }]);
        return id;
      },
      dismiss: (id) => toasts.set(toasts.get().filter((one) => one.id !== id)),
      clear: () => toasts.set([]),
    };
  }, [client]);
}

export interface ToastsProps extends PartProps {
  of?: Of | undefined;
}

/** The toasts of a provider. Of several only the first is rendered. */
export function Toasts({ of, ...props }: ToastsProps): JSX.Element {
  const { board } = useConnection("Toasts", of);
  const { dismiss } = useToasts(of);
  const toasts = useSyncExternalStore(board.toasts.subscribe, board.toasts.get, board.toasts.get);
  const first = useFirst(board.regions);
  return (
    <>
      <Announcer of={of} labels={props.labels} />
      {first && <ToastRegion {...props} toasts={toasts} onDismiss={dismiss} />}
    </>
  );
}

export interface ToastRegionProps extends PartProps {
  toasts: readonly Toast[];
  onDismiss: (id: string) => void;
}

/** The same without a provider. Their clocks stop while one is pointed at or has the focus, and in a hidden tab. */
export function ToastRegion({ toasts, onDismiss, ...props }: ToastRegionProps): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  const region = useRef<HTMLElement>(null);
  const cameFrom = useRef<EventTarget | null>(null);
  const [over, setOver] = useState(false);
  const [inside, setInside] = useState(false);
  const visible = useSyncExternalStore(onVisibility, isVisible, () => true);

  const dismiss = (id: string) => {
    const buttons = [...(region.current?.querySelectorAll<HTMLElement>("[data-cg=dismiss]") ?? [])];
    const at = toasts.findIndex((toast) => toast.id === id);
    // Who was inside stays inside, or goes back to where they came from; who was elsewhere stays there.
    if (region.current?.contains(document.activeElement)) {
      const next = buttons[at + 1] ?? buttons[at - 1] ?? (cameFrom.current as HTMLElement | null);
      next?.focus();
      if (!region.current.contains(next)) setInside(false);
    }
    setOver(false);
    onDismiss(id);
  };

  useEffect(() => {
    if (!toasts.length) return;
    const escape = (event: KeyboardEvent) => {
      const active = document.activeElement;
      const focused = active?.closest<HTMLElement>("[data-cg=toast]")?.dataset["id"];
      const newest = active && active !== document.body ? undefined : toasts.at(-1)?.id;
      const id = region.current?.contains(active) ? focused : newest;
      if (event.key === "Escape" && !event.defaultPrevented && id) dismiss(id);
    };
    document.addEventListener("keydown", escape);
    return () => document.removeEventListener("keydown", escape);
  });

  return (
    <section
      {...p("toasts", true)}
      {...speech(labels)}
      ref={region}
      aria-label={labels.messages}
      onPointerMove={() => setOver(true)}
      onPointerLeave={() => setOver(false)}
      onFocus={({ relatedTarget }: FocusEvent) => {
        if (!inside) cameFrom.current = relatedTarget;
        setInside(true);
      }}
      onBlur={({ relatedTarget }: FocusEvent) => setInside(!!region.current?.contains(relatedTarget as Node | null))}
    >
      <ol {...p("items")}>
        {toasts.map((toast) => (
          <One key={toast.id} {...props} toast={toast} paused={over || inside || !visible} onDismiss={dismiss} />
        ))}
      </ol>
    </section>
  );
}

const shapes: Record<ToastKind, keyof typeof icons> = { info: "info", success: "ok", warning: "bad", error: "bad" };

function One({ toast, paused, onDismiss, ...props }: PartProps & { toast: Toast; paused: boolean; onDismiss: (id: string) => void }): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  const { id, title, body, kind = "info", duration = 6000, action } = toast;
  const stays = kind === "error" || duration === null;
  const left = useRef(0);
  const latest = useRef(onDismiss);
  useEffect(() => {
    latest.current = onDismiss;
  });
  useEffect(() => {
    left.current = Math.max(5000, duration ?? 0);
  }, [toast, duration]);
  useEffect(() => {
    if (stays || paused) return;
    const from = performance.now();
    const timer = setTimeout(() => latest.current(id), left.current);
    return () => {
      clearTimeout(timer);
      left.current -= performance.now() - from;
    };
  }, [toast, id, stays, paused]);
  return (
    <li {...p("toast")} data-kind={kind} data-id={id}>
      <Icon {...p("icon")} of={shapes[kind]} />
      <div {...p("text")} dir="auto">
        <p {...p("title")}>
          {(kind === "error" || kind === "warning") && <Hidden>{labels[kind]}: </Hidden>}
          {title}
        </p>
        {body && <p {...p("body")}>{body}</p>}
      </div>
      {action && (
        <button {...p("action")} type="button" onClick={action.onClick}>
          {action.label}
        </button>
      )}
      <button {...p("dismiss")} type="button" aria-label={labels.dismiss(title)} onClick={() => onDismiss(id)}>
        <Icon {...p("icon")} of="cross" />
      </button>
    </li>
  );
}

const isVisible = () => document.visibilityState === "visible";

function onVisibility(changed: () => void) {
  document.addEventListener("visibilitychange", changed);
  return () => document.removeEventListener("visibilitychange", changed);
}
