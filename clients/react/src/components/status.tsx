"use client";
// The state of the connection, in words with a shape, and its facts.

import type { Snapshot, Status } from "@channelgate/client";
import { useSyncExternalStore, type JSX } from "react";

import type { Of } from "../context.js";
import { number, time } from "../labels.js";
import { Announcer } from "./announcer.js";
import { useConnection } from "./client.js";
import { Icon, parts, speech, useLabels, type icons, type PartProps } from "./parts.js";

interface Own extends PartProps {
  /** Shows since when, the node, the latency and the counts, too. */
  showDetails?: boolean | undefined;
  /** Where the user signs in; without it the button asks for a new token. */
  onSignIn?: (() => void) | undefined;
}

export interface ConnectionStatusProps extends Own {
  of?: Of | undefined;
}

export interface ConnectionStatusViewProps extends Own {
  snapshot: Snapshot;
  onRetry: () => void;
}

const shapes: Record<Status, keyof typeof icons> = {
  idle: "off",
  connecting: "wait",
  open: "ok",
  reconnecting: "wait",
  offline: "off",
  unauthorized: "bad",
  failed: "bad",
  closed: "off",
};

export function ConnectionStatus({ of, ...props }: ConnectionStatusProps): JSX.Element {
  const { client, snapshot } = useConnection("ConnectionStatus", of);
  return (
    <>
      <Announcer of={of} labels={props.labels} />
      <ConnectionStatusView {...props} snapshot={snapshot} onRetry={() => client.reconnect("button")} />
    </>
  );
}

/** The same without a provider. */
export function ConnectionStatusView({ snapshot, onRetry, showDetails, onSignIn, ...props }: ConnectionStatusViewProps): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  const { status, retryAt, latency, node } = snapshot;
  const seconds = useSeconds(status === "reconnecting" || status === "failed" ? retryAt : null);
  const signIn = status === "unauthorized" && onSignIn;
  const n = (value: number) => number(labels.locale, value);
  const facts: [string, string | null][] = [
    [labels.since, status === "idle" ? null : time(labels.locale, snapshot.since, "medium")],
    [labels.latency, latency === null ? null : number(labels.locale, Math.round(latency), { style: "unit", unit: "millisecond" })],
    [labels.node, node],
    [labels.attempts, n(snapshot.attempt)],
    [labels.drops, n(snapshot.drops)],
    [labels.queued, n(snapshot.queued)],
  ];
  return (
    <div {...p("status", true)} {...speech(labels)} role="group" aria-label={labels.connection} data-status={status}>
      <p {...p("state")}>
        <Icon {...p("icon")} of={shapes[status]} />
        <span {...p("text")}>
          {labels.status[status]}
          {seconds > 0 && <span {...p("again")}>, {labels.again(seconds)}</span>}
        </span>
      </p>
      {(status === "unauthorized" || status === "failed") && (
        <button {...p("button")} type="button" onClick={signIn || onRetry}>
          {signIn ? labels.signIn : labels.tryAgain}
        </button>
      )}
      {showDetails && (
        <dl {...p("facts")}>
          {facts.map(
            ([term, value]) =>
              value !== null && (
                <div {...p("fact")} key={term}>
                  <dt {...p("term")}>{term}</dt>
                  <dd {...p("value")}>{value}</dd>
                </div>
              ),
          )}
        </dl>
      )}
    </div>
  );
}

/** Seconds until then, counted down; 0 without a time, and on a server. */
function useSeconds(at: number | null): number {
  return useSyncExternalStore(
    at === null ? still : ticking,
    () => (at === null ? 0 : Math.ceil((at - Date.now()) / 1000)),
    () => 0,
  );
}

const still = () => () => undefined;

function ticking(changed: () => void) {
  const timer = setInterval(changed, 250);
  return () => clearInterval(timer);
}
