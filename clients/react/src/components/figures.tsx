"use client";
// A row of numbers with their names.

import type { JSX, ReactNode } from "react";

import { number } from "../labels.js";
import { parts, speech, useLabels, type PartProps } from "./parts.js";

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
  footer?: ReactNode;
}

/** Numbers that change in place: their width stays, and what changed is marked for a moment. */
export function Figures({ figures, heading, footer, ...props }: FiguresProps): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  return (
    <section {...p("figures", true)} {...speech(labels)} aria-label={heading}>
      {heading && <h3 {...p("heading")}>{heading}</h3>}
      <dl {...p("facts")}>
        {figures.map(({ term, value, tone }) => (
          <div {...p("figure")} key={term} data-tone={tone}>
            <dt {...p("term")}>{term}</dt>
            <dd {...p("value")} key={String(value)}>
              {typeof value === "number" ? number(labels.locale, value) : (value ?? "–")}
            </dd>
          </div>
        ))}
      </dl>
      {footer && <p {...p("footer")}>{footer}</p>}
    </section>
  );
}
