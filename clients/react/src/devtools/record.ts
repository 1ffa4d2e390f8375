// Writes down what a client does, over its public methods, and provokes what else is hard to come by.

import type { Client, Missed, Snapshot } from "@channelgate/client";

import type { AnyClient } from "../context.js";

export interface Transition {
  readonly at: number;
  readonly status: Snapshot["status"];
  readonly recovery: Snapshot["recovery"];
  readonly text: string;
}

export interface Frame {
  readonly id: number;
  readonly at: number;
  /** `in`: an event. Else what became of a message. */
  readonly way: "in" | "sent" | "queued" | "dropped" | "request";
  readonly event: string;
  readonly text: string;
}

export interface Wanted {
  readonly kind: "room" | "topic";
  readonly name: string;
  readonly users: number;
}

/** What has been seen of a client since `record`. */
export interface Recorded {
  readonly client: Client;
  readonly transitions: readonly Transition[];
  readonly frames: readonly Frame[];
  readonly latencies: readonly number[];
  readonly wanted: ReadonlyMap<string, Wanted>;
  subscribe: (listener: () => void) => () => void;
  /** Grows with each change. */
  version: () => number;
  /** Away for some time. */
  drop: () => void;
  /** As if the server had said that events may be missing. */
  gap: () => void;
  /** Connects anew with a fresh token, as after close code 4401. */
  expire: () => void;
}

type Overlay = Pick<Snapshot, "missed" | "recovery">;

const KEPT = 200;
const TEXT = 2_000;
const AWAY = 2_000;

const records = new WeakMap<AnyClient, Recorded>();

/** The record of a client: the same each time. The methods of the client are wrapped once. */
export function record(given: AnyClient): Recorded {
  const known = records.get(given);
  if (known) return known;
  const client = given as unknown as Client;
  const { snapshot, subscribe, want, send, request, onMissed, fresh } = bound(client);
  const listeners = new Set<() => void>();
  const clientListeners = new Set<() => void>();
  const handlers = new Set<Parameters<Client["onMissed"]>[0]>();
  const wanted = new Map<string, Wanted>();
  let transitions: readonly Transition[] = [];
  let frames: readonly Frame[] = [];
  let latencies: readonly number[] = [];
  let count = 0;
  let versions = 0;
  /** What a provoked gap changes in the snapshot. */
  let overlay: Overlay | null = null;
  let shown: readonly [Snapshot, Overlay, Snapshot] | null = null;

  const changed = () => {
    versions += 1;
    for (const listener of [...listeners]) listener();
  };
  const add = (way: Frame["way"], event: string, data: unknown) => {
    frames = [...frames, { id: ++count, at: Date.now(), way, event, text: textOf(data) }].slice(-KEPT);
    changed();
  };
  const overlaid = (): Snapshot => {
    const real = snapshot();
    if (!overlay || real.recovery !== "live") return real;
    if (shown?.[0] !== real || shown[1] !== overlay) shown = [real, overlay, { ...real, ...overlay }];
    return shown[2];
  };
  const setOverlay = (next: Overlay | null) => {
    overlay = next;
    onStatus();
    for (const listener of [...clientListeners]) listener();
  };
  const onStatus = () => {
    const { status, recovery, reason, latency, retryAt } = overlaid();
    const last = transitions.at(-1);
    if (latency !== null && latency !== latencies.at(-1)) latencies = [...latencies, latency].slice(-30);
    if (status !== last?.status || recovery !== last.recovery) {
      const again = retryAt === null ? "" : ` again in ${Math.max(0, Math.round((retryAt - Date.now()) / 100) / 10)} s`;
      const why = reason ? `${reason.kind}${reason.code === undefined ? "" : ` ${reason.code}`} ${reason.text}`.trim() : "";
      transitions = [...transitions, { at: Date.now(), status, recovery, text: why + again }].slice(-KEPT);
    }
    changed();
  };

  client.snapshot = overlaid;
  client.subscribe = (listener) => {
    const mine = () => listener();
    clientListeners.add(mine);
    const stop = subscribe(listener);
    return () => {
      clientListeners.delete(mine);
      stop();
    };
  };
  client.want = (kind, name) => {
    const key = `${kind} ${name}`;
    const change = (by: number) => {
      const users = (wanted.get(key)?.users ?? 0) + by;
      if (users > 0) wanted.set(key, { kind, name, users });
      else wanted.delete(key);
      changed();
    };
    change(1);
    const release = want(kind, name);
    let isReleased = false;
    return () => {
      if (!isReleased) change(-1);
      isReleased = true;
      release();
    };
  };
  client.send = (event, data, how) => {
    const outcome = send(event, data, how);
    add(outcome, event, data);
    return outcome;
  };
  client.request = (event, data, how) => {
    add("request", event, data);
    return request(event, data, how);
  };
  client.onMissed = (handler) => {
    handlers.add(handler);
    const stop = onMissed(handler);
    return () => {
      handlers.delete(handler);
      stop();
    };
  };
  client.fresh = () => {
    fresh();
    setOverlay(null);
  };
  client.on("*", (data, { event }) => add("in", event, data));
  subscribe(onStatus);
  onStatus();

  const gap = async () => {
    const now = Date.now();
    const missed: Missed = { reason: "gap", detail: "devtools", groups: null, since: now, until: now };
    setOverlay({ missed, recovery: "recovering" });
    const mine = overlay;
    const results = await Promise.allSettled([...handlers].map(async (handler) => handler(missed, new AbortController().signal)));
    const isLoaded = results.length > 0 && results.every(({ status }) => status === "fulfilled");
    if (overlay === mine) setOverlay(isLoaded ? null : { missed, recovery: "missed" });
  };

  const recorded: Recorded = {
    client,
    wanted,
    get transitions() {
      return transitions;
    },
    get frames() {
      return frames;
    },
    get latencies() {
      return latencies;
    },
    version: () => versions,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    drop: () => {
      client.disconnect();
      setTimeout(() => client.connect(), AWAY);
    },
    gap: () => void gap(),
    expire: () => client.reconnect("token expired (devtools)"),
  };
  records.set(given, recorded);
  return recorded;
}

function bound(client: Client): Pick<Client, "snapshot" | "subscribe" | "want" | "send" | "request" | "onMissed" | "fresh"> {
  return {
    snapshot: client.snapshot.bind(client),
    subscribe: client.subscribe.bind(client),
    want: client.want.bind(client),
    send: client.send.bind(client),
    request: client.request.bind(client),
    onMissed: client.onMissed.bind(client),
    fresh: client.fresh.bind(client),
  };
}

function textOf(data: unknown): string {
  try {
    return (JSON.stringify(data) ?? "").slice(0, TEXT);
  } catch {
    return String(data);
  }
}
