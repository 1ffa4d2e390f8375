"use client";
// The connection's state in words, with the countdown of the next attempt; and a banner that says what was missed.

import { useEffect, useState, useSyncExternalStore, type ReactElement } from "react";

import { time } from "../labels.js";
import { announced, button, facts, mark, needsUser, useConnected, type ConnectedProps } from "./parts.js";
import { say } from "./store.js";

export interface ConnectionStatusProps extends ConnectedProps {
  /** Shows latency, node and counts, too. */
  showDetails?: boolean | undefined;
  /** What the button does at an ended session and a failed connection. Default: a new attempt, with a new token. */
  onRetry?: (() => void) | undefined;
}

/** Status, countdown of the next attempt, and a button where only the user can go on. */
export function ConnectionStatus({ showDetails, onRetry, ...props }: ConnectionStatusProps): ReactElement {
  const connected = useConnected("ConnectionStatus", props);
  const { h, labels, root, client, snapshot } = connected;
  const { status, retryAt, latency } = snapshot;
  const seconds = useSyncExternalStore(
    retryAt ? ticking : client.subscribe,
    () => (retryAt && status !== "offline" ? Math.ceil((retryAt - Date.now()) / 1000) : 0),
    () => 0,
  );
  return announced(
    props,
    h(
      "status",
      "div",
      { ...root, "data-status": status },
      h(
        "state",
        "p",
        {},
        mark(h, "icon"),
        h("text", "span", {}, labels.status[status], seconds > 0 && h("again", "span", {}, labels.again(seconds))),
      ),
      needsUser(status) && button(h, labels.tryAgain, onRetry ?? (() => client.reconnect())),
      showDetails &&
        facts(connected, [
          [labels.latency, latency && labels.ms(Math.round(latency))],
          [labels.node, snapshot.node],
          [labels.attempts, snapshot.attempt],
          [labels.drops, snapshot.drops],
          [labels.queued, snapshot.queued],
        ]),
    ),
  );
}

function ticking(changed: () => void) {
  const timer = setInterval(changed, 250);
  return () => clearInterval(timer);
}

export interface MissedBannerProps extends ConnectedProps {
  /** Loads what the page shows. Without it the button loads the page again. */
  load?: (() => unknown) | undefined;
}

/** Is there only when something was missed. */
export function MissedBanner({ load, ...props }: MissedBannerProps): ReactElement {
  const { h, labels, root, client, board, snapshot: { recovery, missed } } = useConnected("MissedBanner", props);
  const [isLoading, setLoading] = useState(false);
  const isBusy = isLoading || recovery === "recovering";
  const at = (when: number) => time(labels.locale, when, "medium");
  const text = missed && (isBusy ? labels.recovering : labels.missed(at(missed.since), at(missed.until)));
  useEffect(() => {
    if (text && !isBusy) say(board, { text });
  }, [text, isBusy, board]);
  const click = async () => {
    setLoading(true);
    try {
      await (load ? load() : location.reload());
      client.fresh();
    } finally {
      setLoading(false);
    }
  };
  return announced(props, text && h("missed", "div", { ...root, "data-busy": isBusy }, mark(h, "icon"), h("text", "p", {}, text), !isBusy && button(h, labels.loadAnew, click)));
}
