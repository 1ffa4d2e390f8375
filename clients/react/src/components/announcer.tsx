"use client";
// Speaks the status and updates to screen readers, through two regions that are there from the first render.

import type { Status } from "@channelgate/client";
import { useEffect, useRef, useState, type ReactElement, type ReactNode } from "react";

import type { Of } from "../context.js";
import type { Count } from "../labels.js";
import { useConnection, useFirst, useStore } from "./client.js";
import { hidden, useParts, type PartProps } from "./parts.js";

/** A status is spoken when it has lasted this long: a blip says nothing. */
const SETTLED = 2000;
/** Updates are spoken at most this often. */
const PAUSE = 5000;

export interface AnnouncerProps extends PartProps {
  of?: Of | undefined;
}

/** The live regions of a provider. Of several only the first is rendered. The other components bring it along. */
export function Announcer({ of, ...props }: AnnouncerProps): ReactElement | null {
  const { h, labels, root } = useParts(props);
  const { board, snapshot: { status } } = useConnection("Announcer", of);
  const waiting = useStore(board.utterances);
  const isFirst = useFirst(board.announcers);
  const [polite, speak] = useSpoken();
  const [urgent, alert] = useSpoken();
  const settled = useRef<Status>("idle");
  const lastAt = useRef(-PAUSE);

  useEffect(() => {
    if (!isFirst || status === settled.current || status === "idle") return;
    const timer = setTimeout(() => {
      settled.current = status;
      const isBad = status === "unauthorized" || status === "failed";
      alert(isBad ? labels.status[status] : "");
      if (!isBad) speak(labels.status[status]);
    }, SETTLED);
    return () => clearTimeout(timer);
  }, [isFirst, status, labels, alert, speak]);

  useEffect(() => {
    if (!isFirst || !waiting[0]) return;
    const error = waiting.find((one) => one.isError);
    const timer = setTimeout(
      () => {
        board.utterances.set(waiting.filter((one) => error && one !== error));
        if (error) return alert(error.text);
        lastAt.current = performance.now();
        const kinds = new Map<Count, number>();
        for (const { counts = labels.newUpdates } of waiting) kinds.set(counts, (kinds.get(counts) ?? 0) + 1);
        speak(waiting[1] ? [...kinds].map(([counts, n]) => counts(n)).join(", ") : waiting[0]!.text);
      },
      error ? 0 : lastAt.current + PAUSE - performance.now(),
    );
    return () => clearTimeout(timer);
  }, [isFirst, waiting, board, labels, alert, speak]);

  return isFirst ? h("announcer", "div", { ...root, style: hidden }, h("live", "div", { role: "status" }, polite), h("alert", "div", { role: "alert" }, urgent)) : null;
}

/** Content of a live region. The same text a second time is a new element, so that it is spoken again. */
function useSpoken(): [ReactNode, (text: string) => void] {
  const [spoken, set] = useState<{ text: string; n: number }>();
  const [speak] = useState(() => (text: string) => set((last) => ({ text, n: (last?.n ?? 0) + 1 })));
  return [spoken?.text && <p key={spoken.n}>{spoken.text}</p>, speak];
}
