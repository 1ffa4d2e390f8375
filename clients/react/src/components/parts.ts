"use client";
// What all components share: parts with their attributes, the labels, the connection, and the regions that speak for them.

import type { Client } from "@channelgate/client";
import { createElement, Fragment, useContext, useEffect, useState, useSyncExternalStore, type AllHTMLAttributes, type CSSProperties, type Key, type ReactElement, type ReactNode, type Ref } from "react";

import { ScopeContext, useClientOf, type Of } from "../context.js";
import { useStatus, type Status } from "../hooks/status.js";
import { english, number, type ComponentLabels, type Labels } from "../labels.js";
import { boardOf, spoken, type Board, type Shared, type Spoken } from "./store.js";

/** The values of `data-cg`: one for each kind of element. With styles it is the class `cg-…`, too. */
export type Part =
  | "announcer" | "live" | "alert"
  | "status" | "state" | "icon" | "text" | "again" | "button" | "facts" | "fact" | "term" | "value"
  | "missed"
  | "toasts" | "toast" | "title" | "body" | "dismiss"
  | "badge" | "count"
  | "list" | "header" | "heading" | "items" | "item" | "unread" | "time" | "empty" | "footer"
  | "figures"
  | "notify";

export interface PartProps {
  /** A class of the component's outermost element. */
  className?: string | undefined;
  /** Classes of the elements inside, by part. */
  classNames?: Partial<Record<Part, string>> | undefined;
  /** Leaves the classes of styles.css away; `data-cg` stays. */
  unstyled?: boolean | undefined;
  /** Labels over those of the provider. */
  labels?: Partial<Labels> | undefined;
}

export interface ConnectedProps extends PartProps {
  /** The client itself, or the name of its provider. Default: the nearest provider's. */
  of?: Of | undefined;
}

type Attributes = AllHTMLAttributes<HTMLElement> & { key?: Key; ref?: Ref<HTMLElement>; [data: `data-${string}`]: unknown };

/** Makes an element of a part: `h("title", "p", { dir: "auto" }, text)`. */
export type MakePart = (part: Part, tag: string, attributes: Attributes | null, ...children: ReactNode[]) => ReactElement;

export interface Parts {
  h: MakePart;
  labels: ComponentLabels;
  /** Attributes of the outermost element: its class, and the labels' language and direction. */
  root: Attributes;
}

export interface Connected extends Parts {
  client: Client;
  snapshot: Status;
  board: Board;
  state: Shared;
}

/** The labels of a component, over the provider's, over English. */
export function useLabels(own?: Partial<Labels>): ComponentLabels;
export function useLabels<L extends ComponentLabels>(own: Partial<Labels> | undefined, base: L): L;
export function useLabels(own?: Partial<Labels>, base: ComponentLabels = english): ComponentLabels {
  return { ...base, ...useContext(ScopeContext)?.labels, ...own };
}

export function useParts({ className, classNames, unstyled, labels: own }: PartProps): Parts {
  const labels = useLabels(own);
  return {
    labels,
    root: { className, lang: labels.locale, dir: labels.dir },
    h: (part, tag, attributes, ...children) => {
      const names = [unstyled ? "" : `cg-${part}`, classNames?.[part], attributes?.className];
      return createElement(tag, { ...attributes, "data-cg": part, className: names.filter(Boolean).join(" ") }, ...children);
    },
  };
}

/** Parts, client and state of a component that shows something of a connection. */
export function useConnected(component: string, { of, ...props }: ConnectedProps): Connected {
  const client = useClientOf(component, of);
  const board = boardOf(client);
  const { subscribe, get } = board;
  return { ...useParts(props), client, board, snapshot: useStatus(undefined, of), state: useSyncExternalStore(subscribe, get, get) };
}

/** Whether this component is the one of its kind that is rendered. */
export function useFirst({ board: { set }, state }: Connected, kind: "announcer" | "region"): boolean {
  const [me] = useState({});
  const first = state[kind];
  useEffect(() => {
    if (!first) set({ [kind]: me });
    return first === me ? () => set({ [kind]: null }) : undefined;
  }, [first, set, kind, me]);
  return !first || first === me;
}

/** What only screen readers read; it holds without styles.css, too. */
export const hidden: { style: CSSProperties } = { style: { position: "fixed", clipPath: "inset(50%)" } };

/** The mark of a state; its shape is in styles.css. Without a name, text beside it says the same. */
export const mark = (h: MakePart, part: Part, name?: string): ReactElement => h(part, "i", name ? { role: "img", "aria-label": name } : null);

export const button = (h: MakePart, label: string, onClick: () => void): ReactElement => h("button", "button", { type: "button", onClick }, label);

/** Whether only the user can go on. */
export const needsUser = (status: string): boolean => status === "unauthorized" || status === "failed";

/** Names with values; numbers are written as the locale does, and what is null is left out. */
export const facts = ({ h, labels }: Parts, entries: readonly (readonly [term: string, value: string | number | null, attributes?: Attributes])[]): ReactElement =>
  h(
    "facts",
    "dl",
    {},
    entries.map(
      ([term, value, attributes]) =>
        value !== null &&
        h("fact", "div", { key: term, ...attributes }, h("term", "dt", {}, term), h("value", "dd", { key: value }, typeof value === "number" ? number(labels.locale, value) : value)),
    ),
  );

/** A status is spoken when it has lasted this long: a blip says nothing. */
const SETTLED = 2000;
/** Updates are spoken at most this often. */
const PAUSE = 5000;

/** The live regions of a provider. Of several only the first is rendered. The other components bring it along. */
export function Announcer(props: ConnectedProps): ReactElement | null {
  const connected = useConnected("Announcer", props);
  const { h, labels, root, snapshot: { status }, state: { waiting, live, alert, status: settled, at }, board: { set } } = connected;
  const isFirst = useFirst(connected, "announcer");
  const text = labels.status[status];

  // Every announcer has these timers. The first that is due ends those of the others, since React renders at once.
  useEffect(() => {
    if (status === settled) return;
    const now = spoken(text);
    const timer = setTimeout(() => set({ status, ...(needsUser(status) ? { alert: now } : { live: now, alert: undefined }) }), SETTLED);
    return () => clearTimeout(timer);
  }, [status, settled, text, set]);

  useEffect(() => {
    if (!waiting) return;
    const timer = setTimeout(
      () => set({ waiting: null, at: performance.now(), live: spoken(waiting.n > 1 ? (waiting.counts ?? labels.newUpdates)(waiting.n) : waiting.text) }),
      at + PAUSE - performance.now(),
    );
    return () => clearTimeout(timer);
  }, [waiting, at, labels, set]);

  const region = (part: Part, role: string, content?: Spoken) => h(part, "div", { role }, content && h("text", "p", { key: content.key }, content.text));
  return isFirst ? h("announcer", "div", { ...root, ...hidden }, region("live", "status", live), region("alert", "alert", alert)) : null;
}

/** A component with the live regions that speak for it. */
export const announced = ({ of, labels }: ConnectedProps, component: ReactNode): ReactElement =>
  createElement(Fragment, null, createElement(Announcer, { of, labels }), component);
