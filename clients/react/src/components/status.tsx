"use client";
// The state of the connection, in words with a shape, and its facts.

import { useSyncExternalStore, type ReactElement } from "react";

import type { Of } from "../context.js";
import { number, time } from "../labels.js";
import { Announcer } from "./announcer.js";
import { useConnection } from "./client.js";
import { facts, useParts, type PartProps } from "./parts.js";

export interface ConnectionStatusProps extends PartProps {
  of?: Of | undefined;
  /** Shows since when, the node, the latency and the counts, too. */
  showDetails?: boolean | undefined;
  /** Where the user signs in; without it the button asks for a new token. */
  onSignIn?: (() => void) | undefined;
}

/** Status, countdown of the next attempt, and a button where only the user can go on. */
export function ConnectionStatus({ of, showDetails, onSignIn, ...props }: ConnectionStatusProps): ReactElement {
  const { h, labels, root } = useParts(props);
  const { client, snapshot } = useConnection("ConnectionStatus", of);
  const { status, retryAt, latency } = snapshot;
  const seconds = useSeconds(status === "reconnecting" || status === "failed" ? retryAt : null);
  const isEnded = status === "unauthorized";
  const signIn = isEnded && onSignIn;
  const n = (value: number, unit?: string) => number(labels.locale, value, unit);
  return (
    <>
      <Announcer of={of} labels={props.labels} />
      {h(
        "status",
        "div",
        { ...root, role: "group", "aria-label": labels.connection, "data-status": status },
        h("state", "p", null, h("icon", "i", { "aria-hidden": true }), h("text", "span", null, labels.status[status], seconds > 0 && h("again", "span", null, ", ", labels.again(seconds)))),
        (isEnded || status === "failed") && h("button", "button", { type: "button", onClick: signIn || (() => client.reconnect()) }, signIn ? labels.signIn : labels.tryAgain),
        showDetails &&
          facts(h, [
            [labels.since, snapshot.since ? time(labels.locale, snapshot.since, "medium") : null],
            [labels.latency, latency && n(Math.round(latency), "millisecond")],
            [labels.node, snapshot.node],
            [labels.attempts, n(snapshot.attempt)],
            [labels.drops, n(snapshot.drops)],
            [labels.queued, n(snapshot.queued)],
          ]),
      )}
    </>
  );
}

/** Seconds until then, counted down; 0 without a time, and on a server. */
function useSeconds(at: number | null): number {
  return useSyncExternalStore(
    at ? ticking : still,
    () => (at ? Math.ceil((at - Date.now()) / 1000) : 0),
    () => 0,
  );
}

const still = () => () => undefined;

function ticking(changed: () => void) {
  const timer = setInterval(changed, 250);
  return () => clearInterval(timer);
}
