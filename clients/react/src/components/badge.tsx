"use client";
// A button with the number of what is unread.

import type { JSX, MouseEventHandler } from "react";

import { number } from "../labels.js";
import { Icon, parts, speech, useLabels, type PartProps } from "./parts.js";

export interface BadgeProps extends PartProps {
  count: number;
  onClick?: MouseEventHandler<HTMLButtonElement> | undefined;
}

/** Its name says the number; above 99 "99+" is shown. */
export function Badge({ count, onClick, ...props }: BadgeProps): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  return (
    <button {...p("badge", true)} {...speech(labels)} type="button" aria-label={count > 0 ? labels.unreadCount(count) : labels.notifications} onClick={onClick}>
      <Icon {...p("icon")} of="bell" />
      {count > 0 && (
        <span {...p("count")} aria-hidden>
          {number(labels.locale, Math.min(count, 99)) + (count > 99 ? "+" : "")}
        </span>
      )}
    </button>
  );
}
