"use client";
// What all components share: parts with their attributes, the labels, and the connection.

import type { Client } from "@channelgate/client";
import { createElement, useContext, useEffect, useMemo, useState, useSyncExternalStore, type AllHTMLAttributes, type CSSProperties, type Key, type ReactElement, type ReactNode, type Ref } from "react";

import { ScopeContext, useClientOf, type Of } from "../context.js";
import { useStatus, type Status } from "../hooks/status.js";
import { english, type ComponentLabels, type Labels } from "../labels.js";
import { boardOf, type Board, type Shared } from "./store.js";

/** The values of `data-cg`: one for each kind of element. With styles it is the class `cg-…`, too. */
export type Part =
  | "announcer" | "live" | "alert"
  | "status" | "state" | "icon" | "text" | "again" | "button" | "facts" | "fact" | "term" | "value"
  | "missed"
  | "toasts" | "toast" | "title" | "body" | "dismiss"
  | "badge" | "count"
  | "list" | "header" | "heading" | "items" | "item" | "unread" | "time" | "empty" | "footer"
  | "figures"
  | "notify"
  | "hidden";

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
export type MakePart = (part: Part, tag: string, attributes?: Attributes | null, ...children: ReactNode[]) => ReactElement;

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
  shared: Shared;
}

/** The labels of a component, over the provider's, over English. */
export function useLabels(own?: Partial<Labels>): ComponentLabels;
export function useLabels<L extends ComponentLabels>(own: Partial<Labels> | undefined, base: L): L;
export function useLabels(own?: Partial<Labels>, base: ComponentLabels = english): ComponentLabels {
  const given = useContext(ScopeContext)?.labels;
  return useMemo(() => ({ ...base, ...given, ...own }), [base, given, own]);
}

export function useParts({ className, classNames, unstyled, labels: own }: PartProps): Parts {
  const labels = useLabels(own);
  return {
    labels,
    root: { className, lang: labels.locale, dir: labels.dir },
    h: (part, tag, attributes, ...children) => {
      const names = [unstyled ? "" : `cg-${part}`, classNames?.[part], attributes?.className];
      return createElement(tag, { ...attributes, "data-cg": part, className: names.filter(Boolean).join(" ") || undefined }, ...children);
    },
  };
}

const whole = (status: Status) => status;

/** Parts, client and state of a component that shows something of a connection. */
export function useConnected(component: string, { of, ...props }: ConnectedProps): Connected {
  const client = useClientOf(component, of);
  const board = boardOf(client);
  const { subscribe, get } = board;
  return { ...useParts(props), client, board, snapshot: useStatus(whole, of), shared: useSyncExternalStore(subscribe, get, get) };
}

/** Whether this component is the one of its kind that is rendered. */
export function useFirst({ board: { set }, shared }: Connected, kind: "announcer" | "region"): boolean {
  const [me] = useState({});
  const first = shared[kind];
  useEffect(() => {
    if (!first) set({ [kind]: me });
    return first === me ? () => set({ [kind]: null }) : undefined;
  }, [first, set, kind, me]);
  return !first || first === me;
}

/** What only screen readers read; it holds without styles.css, too. */
export const hidden: { style: CSSProperties } = { style: { position: "fixed", clipPath: "inset(50%)" } };

/** The mark of a state; its shape is in styles.css. */
export const icon = (h: MakePart): ReactElement => h("icon", "i", { "aria-hidden": true });

export const button = (h: MakePart, label: string, onClick: () => void): ReactElement => h("button", "button", { type: "button", onClick }, label);

/** Names with values; what has no value is left out. */
export const facts = (h: MakePart, entries: readonly (readonly [term: string, value: ReactNode, attributes?: Attributes])[]): ReactElement =>
  h(
    "facts",
    "dl",
    null,
    entries.map(
      ([term, value, attributes]) =>
        value !== null && h("fact", "div", { key: term, ...attributes }, h("term", "dt", null, term), h("value", "dd", { key: String(value) }, value)),
    ),
  );
