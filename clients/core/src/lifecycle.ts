// What a page says about itself: its network, whether it is looked at, sleep, and the way back to it.

import type { Lifecycle } from "./types.js";

type What = Parameters<Parameters<Lifecycle["watch"]>[0]>[0];

/** Events of the window and, as they are captured, of the document. */
const EVENTS = ["online", "offline", "storage", "pagehide", "pageshow", "resume", "visibilitychange"];

function meaning({ type, persisted }: Event & { persisted?: boolean }): What | undefined {
  if (type === "visibilitychange") return document.hidden ? "hidden" : "visible";
  if (type === "pageshow") return persisted ? "back" : undefined;
  return type === "pagehide" ? "away" : type === "resume" ? "wake" : (type as What);
}

/** The lifecycle of a page. */
export const page: Lifecycle = {
  online: () => navigator.onLine,
  hidden: () => document.hidden,
  watch(on) {
    const end = new AbortController();
    const listener = (event: Event) => {
      const what = meaning(event);
      if (what) on(what);
    };
    for (const type of EVENTS) addEventListener(type, listener, { capture: true, signal: end.signal });
    return () => end.abort();
  },
};

/** Where there is no page: the network is not known, and nothing sleeps. Makes a client connect in Node or a worker. */
export const always: Lifecycle = { online: () => null, hidden: () => false, watch: () => () => undefined };
