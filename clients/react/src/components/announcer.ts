"use client";
// Speaks the status and updates to screen readers, through two regions that are there from the first render.

import { createElement, Fragment, useEffect, type ReactElement, type ReactNode } from "react";

import { spoken } from "./store.js";
import { hidden, useConnected, useFirst, type ConnectedProps } from "./parts.js";

/** A status is spoken when it has lasted this long: a blip says nothing. */
const SETTLED = 2000;
/** Updates are spoken at most this often. */
const PAUSE = 5000;

/** The live regions of a provider. Of several only the first is rendered. The other components bring it along. */
export function Announcer(props: ConnectedProps): ReactElement | null {
  const connected = useConnected("Announcer", props);
  const { h, labels, root, snapshot: { status }, shared: { waiting, settled, spokenAt, polite, urgent }, board: { set } } = connected;
  const isFirst = useFirst(connected, "announcer");
  const text = labels.status[status];

  useEffect(() => {
    if (!isFirst || status === settled || status === "idle") return;
    const isBad = status === "unauthorized" || status === "failed";
    const timer = setTimeout(() => set({ settled: status, ...(isBad ? { urgent: spoken(text) } : { polite: spoken(text), urgent: null }) }), SETTLED);
    return () => clearTimeout(timer);
  }, [isFirst, status, settled, text, set]);

  useEffect(() => {
    const [first] = waiting;
    if (!isFirst || !first) return;
    const counts = waiting.every((one) => one.counts === first.counts) && first.counts;
    const timer = setTimeout(
      () => set({ waiting: [], spokenAt: performance.now(), polite: spoken(waiting[1] ? (counts || labels.newUpdates)(waiting.length) : first.text) }),
      spokenAt + PAUSE - performance.now(),
    );
    return () => clearTimeout(timer);
  }, [isFirst, waiting, spokenAt, labels, set]);

  return isFirst ? h("announcer", "div", { ...root, ...hidden }, h("live", "div", { role: "status" }, polite), h("alert", "div", { role: "alert" }, urgent)) : null;
}

/** A component with the live regions that speak for it. */
export const announced = ({ of, labels }: ConnectedProps, component: ReactNode): ReactElement =>
  createElement(Fragment, null, createElement(Announcer, { of, labels }), component);
