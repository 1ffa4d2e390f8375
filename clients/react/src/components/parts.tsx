"use client";
// What all components share: the attributes of a part, labels, icons, and text for screen readers only.

import { useContext, useMemo, type CSSProperties, type JSX, type ReactNode } from "react";

import { ScopeContext } from "../context.js";
import { english, type Labels } from "../labels.js";

/** The values of `data-cg`: one for each kind of element. With styles it is the class `cg-…`, too. */
export type Part =
  | "announcer" | "live" | "alert"
  | "status" | "state" | "icon" | "text" | "again" | "button" | "facts" | "fact" | "term" | "value"
  | "missed"
  | "toasts" | "toast" | "title" | "body" | "action" | "dismiss"
  | "badge" | "count"
  | "list" | "header" | "heading" | "items" | "item" | "unread" | "time" | "details" | "summary" | "empty" | "footer"
  | "figures" | "figure"
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

export interface PartAttributes {
  "data-cg": Part;
  className: string | undefined;
}

/** Attributes of the parts of one component. The first argument of the returned function names the part. */
export const parts =
  ({ className, classNames, unstyled }: PartProps) =>
  (part: Part, root?: boolean): PartAttributes => ({
    "data-cg": part,
    className: [!unstyled && `cg-${part}`, classNames?.[part], root && className].filter(Boolean).join(" ") || undefined,
  });

/** The labels of a component, over the provider's, over English. */
export function useLabels(own?: Partial<Labels>): Labels {
  const given = useContext(ScopeContext)?.labels;
  return useMemo(() => ({ ...english, ...given, ...own }), [given, own]);
}

/** Language and direction of the labels, for an outermost element. */
export const speech = ({ locale, dir }: Labels): { lang: string; dir: "ltr" | "rtl" } => ({ lang: locale, dir });

/** The style of what only screen readers read; it holds without styles.css, too. */
export const hidden: CSSProperties = { position: "absolute", width: 1, height: 1, margin: -1, overflow: "hidden", clipPath: "inset(50%)", whiteSpace: "nowrap" };

/** Text that only screen readers read. */
export const Hidden = ({ children }: { children: ReactNode }): JSX.Element => <span style={hidden}>{children}</span>;

/** Paths of 16 × 16 icons. Each state has its own shape, so that colour is not the only difference. */
export const icons = {
  ok: "m3.5 8.5 3 3 6-7",
  wait: "M13.5 8A5.5 5.5 0 1 1 8 2.5",
  off: "M8 2.5a5.5 5.5 0 1 0 .01 0M4 12l8-8",
  info: "M8 7.5V12M8 4v.1",
  bad: "M8 2 1.5 13.5h13zM8 6.5v3M8 11.5v.1",
  bell: "M3.5 11.5h9l-1-1.5V7a3.5 3.5 0 0 0-7 0v3zM6.8 14h2.4",
  cross: "m4 4 8 8m0-8-8 8",
} as const;

export const Icon = ({ of, ...attributes }: { of: keyof typeof icons } & PartAttributes): JSX.Element => (
  <svg {...attributes} data-icon={of} viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden>
    <path d={icons[of]} />
  </svg>
);
