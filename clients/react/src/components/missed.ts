"use client";
// Says that updates may be missing, with a button that loads anew.

import { useEffect, useState, type ReactElement } from "react";

import { time } from "../labels.js";
import { announced } from "./announcer.js";
import { button, icon, useConnected, type ConnectedProps } from "./parts.js";
import { say } from "./store.js";

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
  return announced(props, text && h("missed", "div", { ...root, "data-busy": isBusy }, icon(h), h("text", "p", null, text), !isBusy && button(h, labels.loadAnew, click)));
}
