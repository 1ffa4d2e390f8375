"use client";
// Says that updates may be missing, with a button that loads anew. It is there only when something was missed.

import type { Snapshot } from "@channelgate/client";
import { useEffect, useState, type JSX } from "react";

import type { Of } from "../context.js";
import { time } from "../labels.js";
import { Announcer } from "./announcer.js";
import { useConnection } from "./client.js";
import { Icon, parts, speech, useLabels, type PartProps } from "./parts.js";
import type { Board } from "./store.js";

export interface MissedBannerProps extends PartProps {
  of?: Of | undefined;
  /** Loads what the page shows. Without it the button loads the page again. */
  load?: (() => unknown) | undefined;
}

export interface MissedBannerViewProps extends PartProps {
  recovery: Snapshot["recovery"];
  missed: Snapshot["missed"];
  /** May return a promise; the banner says if it is rejected. */
  onLoad: () => unknown;
  board?: Board | undefined;
}

export function MissedBanner({ of, load, ...props }: MissedBannerProps): JSX.Element {
  const { client, snapshot, board } = useConnection("MissedBanner", of);
  const onLoad = async () => {
    if (!load) return location.reload();
    await load();
    client.fresh();
  };
  return (
    <>
      <Announcer of={of} labels={props.labels} />
      <MissedBannerView {...props} recovery={snapshot.recovery} missed={snapshot.missed} onLoad={onLoad} board={board} />
    </>
  );
}

/** The same without a provider. */
export function MissedBannerView({ recovery, missed, onLoad, board, ...props }: MissedBannerViewProps): JSX.Element | null {
  const p = parts(props);
  const labels = useLabels(props.labels);
  const [loading, setLoading] = useState<"failed" | boolean>(false);
  const busy = recovery === "recovering" || loading === true;
  const text =
    recovery === "live" || !missed
      ? ""
      : busy
        ? labels.recovering
        : `${loading ? `${labels.loadFailed} ` : ""}${labels.missed(time(labels.locale, missed.since, "medium"), time(labels.locale, missed.until, "medium"))}`;
  useEffect(() => {
    if (text && !busy) board?.utterances.set([...board.utterances.get(), { text, counts: "update", error: false }]);
  }, [text, busy, board]);
  if (!text) return null;
  const click = () => {
    setLoading(true);
    Promise.resolve()
      .then(onLoad)
      .then(
        () => setLoading(false),
        () => setLoading("failed"),
      );
  };
  return (
    <div {...p("missed", true)} {...speech(labels)} data-recovery={recovery}>
      <Icon {...p("icon")} of={busy ? "wait" : "bad"} />
      <p {...p("text")}>{text}</p>
      {!busy && (
        <button {...p("button")} type="button" onClick={click}>
          {labels.loadAnew}
        </button>
      )}
    </div>
  );
}
