// What a page says about itself: its network, whether it is looked at, sleep, and the way back to it.

import type { Lifecycle } from "./types.js";

type What = Parameters<Parameters<Lifecycle["watch"]>[0]>[0];

/** Events of the window and, as they are captured, of the document. */
const EVENTS: Readonly<Record<string, What>> = {
  online: "online",
  offline: "offline",
  storage: "storage",
  pagehide: "away",
  pageshow: "back",
  resume: "wake",
  visibilitychange: "visible",
};

/** The lifecycle of a page. */
export const page: Lifecycle = {
  online: () => navigator.onLine,
  hidden: () => document.hidden,
  watch(on) {
    const end = new AbortController();
    const listener = ({ type }: Event) => {
      const what = EVENTS[type] as What;
      on(what === "visible" && document.hidden ? "hidden" : what);
    };
    for (const type in EVENTS) addEventListener(type, listener, { capture: true, signal: end.signal });
    return () => end.abort();
  },
};
