// What Django has sent, as the control process reads it from the record of the channel layer.

import { activityOf, loadConfig, nodesOf, type Activity } from "./control";
import { PRESETS } from "./numbered";
import type { NodeInfo, Sent } from "./types";

export interface SentEvents {
  sent(event: Sent): void;
  nodes(nodes: readonly NodeInfo[]): void;
  /** Another page may have changed it. */
  activity(activity: Activity): void;
  /** What the control process has done. */
  fact(fact: { readonly at: number; readonly text: string }): void;
  /** The demonstration was ended and started again: its numbers begin anew. */
  restarted(): void;
}

/** What did not answer, or with something else than a stream, is asked again after this time. */
const AGAIN = 2_000;
/**
 * A tab that has been hidden for so long lets go of the stream: a browser has six connections for all tabs of a site, and
 * with six such streams no tab could ask Django anything. What is broken is stated before.
 */
const HIDDEN = 30_000;
const STREAM = "/demo/control/sent";

/** A line of the record; null if this page does not know what it is. */
export function sentOf(line: unknown): Sent | null {
  const { n, at, done, group, system, event, topic, message, error } = Object(line) as Record<string, unknown>;
  const id = PRESETS[String(system)];
  if (typeof n !== "number" || typeof at !== "number" || typeof group !== "string" || id === undefined) return null;
  const { event: named, type } = Object(message) as Record<string, unknown>;
  // Of all notifications only the topic differs.
  const name = [topic, event, named, type].find((text) => typeof text === "string") as string | undefined;
  return { n, at, done: typeof done === "number" ? done : at, group, system: id, event: name ?? "", topic: typeof topic === "string" ? topic : null, message, error: typeof error === "string" ? error : null };
}

/** What is done with each event of the stream, by its name. */
export function takersOf(events: SentEvents): ReadonlyMap<string, (data: unknown) => void> {
  const takers = new Map<string, (data: unknown) => void>();
  const on = (name: string, take: (data: unknown) => void) => void takers.set(name, take);
  let run: unknown;
  on("run", (data) => {
    if (run !== undefined && run !== data) events.restarted();
    run = data;
  });
  on("message", (data) => {
    const event = sentOf(data);
    if (event) events.sent(event);
  });
  on("nodes", (data) => events.nodes(nodesOf(data)));
  on("activity", (data) => events.activity(activityOf(data)));
  on("fact", (data) => {
    const { at, text } = Object(data) as { at?: unknown; text?: unknown };
    if (typeof text === "string") events.fact({ at: typeof at === "number" ? at : Date.now(), text });
  });
  return takers;
}

/** Returns what ends it. The browser comes back by itself, and asks for the entries after the last one. */
export function followSent(events: SentEvents): () => void {
  const takers = takersOf(events);
  let source: EventSource;
  let opening: ReturnType<typeof setTimeout> | undefined;
  let closing: ReturnType<typeof setTimeout> | undefined;
  /** Of the last entry, of whatever kind. */
  let last = "";
  const open = () => {
    clearTimeout(opening);
    source = new EventSource(last === "" ? STREAM : `${STREAM}?last=${last}`);
    for (const [name, take] of takers) {
      source.addEventListener(name, ({ data, lastEventId }: MessageEvent<string>) => {
        last = lastEventId || last;
        let read: unknown;
        try {
          read = JSON.parse(data);
        } catch {
          // Half a line says nothing.
          return;
        }
        take(read);
      });
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) opening = setTimeout(open, AGAIN);
    });
  };
  const close = () => {
    clearTimeout(opening);
    clearTimeout(closing);
    source.close();
  };
  const look = () => {
    clearTimeout(closing);
    if (document.hidden) closing = setTimeout(close, HIDDEN);
    else if (source.readyState === EventSource.CLOSED) open();
  };
  open();
  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
}

/** Follows the control process, if there is one; asks until that is clear. Returns what ends it. */
export function followControl(events: SentEvents, absent: () => void): () => void {
  const end = new AbortController();
  let stop: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = () =>
    void loadConfig(end.signal).then(
      (config) => {
        if (end.signal.aborted) return;
        if (!config) return absent();
        events.nodes(config.nodes);
        events.activity(config.activity);
        stop = followSent(events);
      },
      () => {
        if (!end.signal.aborted) timer = setTimeout(ask, AGAIN);
      },
    );
  ask();
  return () => {
    end.abort();
    clearTimeout(timer);
    stop?.();
  };
}
