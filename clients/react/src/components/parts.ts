"use client";
// What all components share: parts with their attributes, labels, and text for screen readers only.

import { createElement, useContext, useMemo, type AllHTMLAttributes, type CSSProperties, type Key, type ReactElement, type ReactNode, type Ref } from "react";

import { ScopeContext } from "../context.js";
import { english, type ComponentLabels, type Labels } from "../labels.js";

/** The values of `data-cg`: one for each kind of element. With styles it is the class `cg-…`, too. */
export type Part =
  | "announcer" | "live" | "alert"
  | "status" | "state" | "icon" | "text" | "again" | "button" | "facts" | "fact" | "term" | "value"
  | "missed"
  | "toasts" | "toast" | "title" | "body" | "dismiss"
  | "badge" | "count"
  | "list" | "header" | "heading" | "items" | "item" | "unread" | "time" | "details" | "summary" | "empty" | "footer"
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

type Attributes = AllHTMLAttributes<HTMLElement> & { key?: Key; ref?: Ref<HTMLElement>; [data: `data-${string}`]: unknown };

/** Makes an element of a part: `h("title", "p", { dir: "auto" }, text)`. */
export type MakePart = (part: Part, tag: string, attributes?: Attributes | null, ...children: ReactNode[]) => ReactElement;

/** The labels of a component, over the provider's, over English. */
export function useLabels(own?: Partial<Labels>): ComponentLabels;
export function useLabels<L extends ComponentLabels>(own: Partial<Labels> | undefined, base: L): L;
export function useLabels(own?: Partial<Labels>, base: ComponentLabels = english): ComponentLabels {
  const given = useContext(ScopeContext)?.labels;
  return useMemo(() => ({ ...base, ...given, ...own }), [base, given, own]);
}

export interface Parts {
  h: MakePart;
  labels: ComponentLabels;
  /** Attributes of the outermost element: its class, and the labels' language and direction. */
  root: { className: string | undefined; lang: string; dir: "ltr" | "rtl" };
}

export function useParts({ className, classNames, unstyled, labels: own }: PartProps): Parts {
  const labels = useLabels(own);
  return {
    labels,
    root: { className, lang: labels.locale, dir: labels.dir },
    h: (part, tag, attributes, ...children) =>
      createElement(
        tag,
        {
          ...attributes,
          "data-cg": part,
          className: [!unstyled && `cg-${part}`, classNames?.[part], attributes?.className].filter(Boolean).join(" ") || undefined,
        },
        ...children,
      ),
  };
}

/** The style of what only screen readers read; it holds without styles.css, too. */
export const hidden: CSSProperties = { position: "absolute", width: 1, height: 1, overflow: "hidden", clipPath: "inset(50%)", whiteSpace: "nowrap" };

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
