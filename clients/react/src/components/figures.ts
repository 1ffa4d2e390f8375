"use client";
// A row of numbers with their names.

import type { ReactElement, ReactNode } from "react";

import { facts, useParts, type PartProps } from "./parts.js";

export interface Figure {
  readonly term: string;
  /** A number is written as the labels' locale does; null: not known yet. */
  readonly value: number | string | null;
  readonly tone?: "good" | "warn" | "bad" | undefined;
}

export interface FiguresProps extends PartProps {
  figures: readonly Figure[];
  /** Above the row, for example "Live attendance". */
  heading?: string | undefined;
  /** Below the row, for example the time of the last update. */
  children?: ReactNode;
}

/** Numbers that change in place: their width stays, and what changed is marked for a moment. */
export function Figures({ figures, heading, children, ...props }: FiguresProps): ReactElement {
  const parts = useParts(props);
  const { h, root } = parts;
  return h(
    "figures",
    "section",
    root,
    heading && h("heading", "h3", {}, heading),
    facts(parts, figures.map(({ term, value, tone }) => [term, value ?? "–", { "data-tone": tone }])),
    children && h("footer", "div", {}, children),
  );
}
