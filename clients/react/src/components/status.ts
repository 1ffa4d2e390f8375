"use client";
// The connection's state in words, with the countdown of the next attempt.

import { createElement, useSyncExternalStore, type ReactElement } from "react";

import { number } from "../labels.js";
import { announced } from "./announcer.js";
import { button, facts, icon, useConnected, type ConnectedProps } from "./parts.js";

export interface ConnectionStatusProps extends ConnectedProps {
  /** Shows latency, node and counts, too. */
  showDetails?: boolean | undefined;
  /** Where the user signs in; without it the button asks for a new token. */
  onSignIn?: (() => void) | undefined;
}

/** Status, countdown of the next attempt, and a button where only the user can go on. */
export function ConnectionStatus({ showDetails, onSignIn, ...props }: ConnectionStatusProps): ReactElement {
  const { h, labels, root, client, snapshot } = useConnected("ConnectionStatus", props);
  const { status, retryAt, latency } = snapshot;
  const isEnded = status === "unauthorized";
  const n = (value: number) => number(labels.locale, value);
  return announced(
    props,
    h(
      "status",
      "div",
      { ...root, "data-status": status },
      h(
        "state",
        "p",
        null,
        icon(h),
        h("text", "span", null, labels.status[status], (status === "reconnecting" || status === "failed") && retryAt && h("again", "span", null, createElement(Again, { at: retryAt, text: labels.again }))),
      ),
      isEnded && onSignIn ? button(h, labels.signIn, onSignIn) : (isEnded || status === "failed") && button(h, labels.tryAgain, () => client.reconnect()),
      showDetails &&
        facts(h, [
          [labels.latency, latency && labels.ms(n(Math.round(latency)))],
          [labels.node, snapshot.node],
          [labels.attempts, n(snapshot.attempt)],
          [labels.drops, n(snapshot.drops)],
          [labels.queued, n(snapshot.queued)],
        ]),
    ),
  );
}

/** Seconds until then, counted down. */
function Again({ at, text }: { at: number; text: (seconds: number) => string }) {
  const seconds = useSyncExternalStore(
    ticking,
    () => Math.ceil((at - Date.now()) / 1000),
    () => 0,
  );
  return seconds > 0 && text(seconds);
}

function ticking(changed: () => void) {
  const timer = setInterval(changed, 250);
  return () => clearInterval(timer);
}
