"use client";
// Speaks the status and updates to screen readers, through two regions that are there from the first render.

import type { Status } from "@channelgate/client";
import { useEffect, useRef, useState, useSyncExternalStore, type JSX, type ReactNode } from "react";

import type { Of } from "../context.js";
import { useConnection } from "./client.js";
import { hidden, parts, speech, useLabels, type PartProps } from "./parts.js";
import type { Store, Utterance } from "./store.js";

/** A status is spoken when it has lasted this long: a blip says nothing. */
const SETTLED = 2000;
/** Updates are spoken at most this often. */
const PAUSE = 5000;

export interface AnnouncerProps extends PartProps {
  of?: Of | undefined;
}

/** The live regions of a provider. Of several only the first is rendered. The other components bring it along. */
export function Announcer({ of, ...props }: AnnouncerProps): JSX.Element | null {
  const { snapshot, board } = useConnection("Announcer", of);
  return useFirst(board.announcers) ? <LiveRegions {...props} status={snapshot.status} utterances={board.utterances} /> : null;
}

export interface LiveRegionsProps extends PartProps {
  status: Status;
  utterances: Store<readonly Utterance[]>;
}

export function LiveRegions({ status, utterances, ...props }: LiveRegionsProps): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  const waiting = useSyncExternalStore(utterances.subscribe, utterances.get, utterances.get);
  const [polite, speak] = useSpoken();
  const [urgent, alert] = useSpoken();
  const settled = useRef<Status>("idle");
  const spokenAt = useRef(-PAUSE);

  useEffect(() => {
    const timer = setTimeout(() => {
      if (settled.current === status || status === "idle") return;
      settled.current = status;
      const bad = status === "unauthorized" || status === "failed";
      alert(bad ? labels.status[status] : "");
      if (!bad) speak(labels.status[status]);
    }, SETTLED);
    return () => clearTimeout(timer);
  }, [status, labels, alert, speak]);

  useEffect(() => {
    if (!waiting.length) return;
    const timer = setTimeout(
      () => {
        const errors = waiting.filter((one) => one.error);
        const updates = waiting.filter((one) => !one.error);
        if (errors.length) alert(errors.map((one) => one.text).join(" "));
        if (updates.length) {
          spokenAt.current = performance.now();
          speak(summary(updates));
        }
        utterances.set([]);
      },
      waiting.some((one) => one.error) ? 0 : spokenAt.current + PAUSE - performance.now(),
    );
    const summary = (updates: readonly Utterance[]) => {
      const counts = new Map<string, number>();
      for (const { counts: kind } of updates) counts.set(kind, (counts.get(kind) ?? 0) + 1);
      return updates.length === 1
        ? (updates[0]?.text ?? "")
        : [...counts].map(([kind, n]) => (labels.updates[kind] ?? labels.updates.update)(n)).join(", ");
    };
    return () => clearTimeout(timer);
  }, [waiting, utterances, labels, alert, speak]);

  return (
    <div {...p("announcer", true)} {...speech(labels)} style={hidden}>
      <div {...p("live")} role="status">{polite}</div>
      <div {...p("alert")} role="alert">{urgent}</div>
    </div>
  );
}

/** Content of a live region. The same text a second time is a new element, so that it is spoken again. */
function useSpoken(): [ReactNode, (text: string) => void] {
  const [{ n, text }, set] = useState({ n: 0, text: "" });
  const [speak] = useState(() => (text: string) => set((last) => ({ n: last.n + 1, text })));
  return [text && <p key={n}>{text}</p>, speak];
}

/** Whether this is the first of the mounted components that share the store. */
export function useFirst(owners: Store<readonly object[]>): boolean {
  const [me] = useState(() => ({}));
  const first = useSyncExternalStore(owners.subscribe, owners.get, owners.get)[0];
  useEffect(() => {
    owners.set([...owners.get(), me]);
    return () => owners.set(owners.get().filter((one) => one !== me));
  }, [owners, me]);
  return !first || first === me;
}
