"use client";
// A button with the number of what is unread.

import type { MouseEventHandler, ReactElement, ReactNode } from "react";

import { number } from "../labels.js";
import { useParts, type PartProps } from "./parts.js";

export interface BadgeProps extends PartProps {
  count: number;
  onClick?: MouseEventHandler<HTMLElement> | undefined;
  /** Instead of the bell. */
  children?: ReactNode;
}

const bell = (
  <svg viewBox="0 0 16 16" width="20" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" aria-hidden>
    <path d="M3.5 11.5h9l-1-1.5V7a3.5 3.5 0 0 0-7 0v3zM6.5 14h3" />
  </svg>
);

/** Its name says the number; above 99 "99+" is shown. */
export function Badge({ count, onClick, children = bell, ...props }: BadgeProps): ReactElement {
  const { h, labels, root } = useParts(props);
  return h(
    "badge",
    "button",
    { ...root, type: "button", "aria-label": count ? labels.unreadCount(count) : labels.notifications, onClick },
    children,
    count > 0 && h("count", "span", { "aria-hidden": true }, number(labels.locale, Math.min(count, 99)), count > 99 && "+"),
  );
}
