"use client";
// A button with the number of what is unread.

import type { MouseEventHandler, ReactElement, ReactNode } from "react";

import { number } from "../labels.js";
import { hidden, useParts, type PartProps } from "./parts.js";

export interface BadgeProps extends PartProps {
  count: number;
  onClick?: MouseEventHandler<HTMLElement> | undefined;
  /** Instead of the text, which styles.css shows as a bell. */
  children?: ReactNode;
}

/** A button with a number. Its name says the number; above 99 "99+" is shown. */
export function Badge({ count, onClick, children, ...props }: BadgeProps): ReactElement {
  const { h, labels, root } = useParts(props);
  return h(
    "badge",
    "button",
    { ...root, type: "button", onClick },
    children,
    h("text", "span", children ? hidden : null, count ? labels.unreadCount(count) : labels.notifications),
    count > 0 && h("count", "span", { "aria-hidden": true }, number(labels.locale, Math.min(count, 99)), count > 99 && "+"),
  );
}
