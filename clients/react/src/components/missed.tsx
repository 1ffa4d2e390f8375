"use client";
// Says that updates may be missing, with a button that loads anew. It is there only when something was missed.

import { useEffect, useState, type ReactElement } from "react";

import type { Of } from "../context.js";
import { time } from "../labels.js";
import { Announcer } from "./announcer.js";
import { useConnection } from "./client.js";
import { useParts, type PartProps } from "./parts.js";
import { say } from "./store.js";

export interface MissedBannerProps extends PartProps {
  of?: Of | undefined;
  /** Loads what the page shows. Without it the button loads the page again. */
  load?: (() => unknown) | undefined;
}

export function MissedBanner({ of, load, ...props }: MissedBannerProps): ReactElement {
  const { h, labels, root } = useParts(props);
  const { client, board, snapshot: { recovery, missed } } = useConnection("MissedBanner", of);
  const [isLoading, setLoading] = useState(false);
  const isBusy = isLoading || recovery === "recovering";
  const at = (when: number) => time(labels.locale, when, "medium");
  const text = recovery === "live" ? "" : isBusy || !missed ? labels.recovering : labels.missed(at(missed.since), at(missed.until));
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
  return (
    <>
      <Announcer of={of} labels={props.labels} />
      {text &&
        h(
          "missed",
          "div",
          { ...root, "data-busy": isBusy },
          h("icon", "i", { "aria-hidden": true }),
          h("text", "p", null, text),
          !isBusy && h("button", "button", { type: "button", onClick: click }, labels.loadAnew),
        )}
    </>
  );
}
