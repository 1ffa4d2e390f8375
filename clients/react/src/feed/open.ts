// The feed without React: an object like the WebSocket of the document, which comes back when the connection is lost.

import { createClient, type Missed, type Token } from "@channelgate/client";

import { isEvent } from "../preset/rules.js";

export interface OpenFeed {
  /** Each time that the connection is open: also after it was lost. */
  onopen: ((event: { type: "open" }) => void) | null;
  onmessage: ((event: { type: "message"; data: string }) => void) | null;
  /** Each time that the connection is lost, and once after `close`. */
  onclose: ((event: { type: "close"; code: number; reason: string }) => void) | null;
  onerror: ((event: { type: "error"; message: string }) => void) | null;
  /** Events may have been missed: load anew what is shown. It stays `missed` until the promise resolves. */
  onmissed: ((missed: Missed, signal: AbortSignal) => void | Promise<void>) | null;
  readonly readyState: 0 | 1 | 3;
  close(): void;
}

/** With or without `new`, so that `import { openFeed as WebSocket }` is enough. */
export const openFeed: {
  (url: string | URL, how?: { token?: Token }): OpenFeed;
  new (url: string | URL, how?: { token?: Token }): OpenFeed;
} = function (url: string | URL, how: { token?: Token } = {}): OpenFeed {
  const client = createClient({ ...how, url });
  let state: "new" | "open" | "lost" | "closed" = "new";
  const feed: OpenFeed = {
    onopen: null,
    onmessage: null,
    onclose: null,
    onerror: null,
    onmissed: null,
    get readyState() {
      return state === "open" ? 1 : state === "closed" ? 3 : 0;
    },
    close: () => client.disconnect(),
  };
  client.subscribe(() => {
    const { status, reason } = client.snapshot();
    const isEnd = status === "closed" || status === "failed" || status === "unauthorized";
    if (status === "open" && state !== "open") {
      state = "open";
      feed.onopen?.({ type: "open" });
    } else if (status !== "open" && (state === "open" || (isEnd && state !== "closed"))) {
      state = isEnd ? "closed" : "lost";
      if (reason && status !== "closed") feed.onerror?.({ type: "error", message: reason.text });
      feed.onclose?.({ type: "close", code: reason?.code ?? 1000, reason: reason?.text ?? "" });
    }
  });
  client.on("*", (_, { event, frame }) => {
    if (isEvent(event)) feed.onmessage?.({ type: "message", data: JSON.stringify(frame) });
  });
  client.onMissed((missed, signal) => {
    if (!feed.onmissed) throw new Error("openFeed has no onmissed");
    return feed.onmissed(missed, signal);
  });
  client.connect();
  return feed;
} as never;
