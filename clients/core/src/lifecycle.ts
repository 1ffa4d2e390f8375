// What a page says about itself: its network, whether it is looked at, sleep, and the way back to it.

import type { Lifecycle } from "./types.js";

type What = Parameters<Parameters<Lifecycle["watch"]>[0]>[0];

/** The lifecycle of a page. */
export const page: Lifecycle = {
  online: () => navigator.onLine,
  hidden: () => document.hidden,
  watch(on) {
    const ends: (() => void)[] = [];
    const listen = (target: EventTarget, type: string, what: (event: Event) => What | false) => {
      const listener = (event: Event) => {
        const told = what(event);
        if (told) on(told);
      };
      target.addEventListener(type, listener);
      ends.push(() => target.removeEventListener(type, listener));
    };
    listen(window, "online", () => "online");
    listen(window, "offline", () => "offline");
    listen(window, "storage", () => "storage");
    listen(window, "pagehide", () => "away");
    listen(window, "pageshow", (event) => (event as PageTransitionEvent).persisted && "back");
    listen(document, "resume", () => "wake");
    listen(document, "visibilitychange", () => (document.hidden ? "hidden" : "visible"));
    return () => ends.forEach((end) => end());
  },
};

/** Where there is no page: the network is not known, and nothing sleeps. Makes a client connect in Node or a worker. */
export const always: Lifecycle = { online: () => null, hidden: () => false, watch: () => () => undefined };
