// The page of these tests: an application with many components over one connection, and a record of what happened.

import { createClient, type Client, type Missed, type Options } from "@channelgate/client";
import { ChannelgateProvider, useEvent, useEvents, useMissed, useStatus } from "@channelgate/react";
import { StrictMode, useEffect, useRef, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";

/** What happened on the page, as far as JSON can say it. */
export interface Facts {
  /** Sockets that were made, and those that are not closed. */
  made: number;
  open: number;
  statuses: string[];
  recoveries: string[];
  /** Close codes of connections that were lost, and what kind of loss others were. */
  reasons: (string | number)[];
  missed: Missed[];
  /** Losses: milliseconds since the last event, and for how many of them timers of the page were stopped. */
  lost: { silence: number; stopped: number }[];
  snapshot: { status: string; recovery: string; attempt: number; reason: { kind: string; code?: number; text: string } | null; node: string | null; latency: number | null; queued: number };
  /** Numbers of the events as the first handler got them, and how many each handler got. */
  numbers: number[];
  calls: number[];
  /** Times at which the first component rendered an event. */
  renders: number[];
  text: string;
  tokens: string[];
  lifecycle: string[];
}

interface Start extends Omit<Options, "token" | "transport" | "dialect" | "lifecycle" | "log" | "url"> {
  url: string;
  /** Tokens for the attempts, in this order; the last one stays. */
  tokens?: (string | null)[];
  /** Components that use the connection; 0: only the core. */
  components: number;
  /** Whether what was missed is loaded anew at once; otherwise it stays. */
  reloads?: boolean;
}

interface Crowd {
  status: string;
  /** Milliseconds from its loss to the time that it has chosen for its first attempt. */
  pause: number | null;
}

const crowd: Crowd[] = [];

declare global {
  interface Window {
    sockets: WebSocket[];
    page: typeof page;
  }
}

const facts: Omit<Facts, "made" | "open" | "snapshot" | "text"> = {
  statuses: [],
  recoveries: [],
  reasons: [],
  missed: [],
  lost: [],
  numbers: [],
  calls: [],
  renders: [],
  tokens: [],
  lifecycle: [],
};
let client: Client | undefined;
let root: Root | undefined;
let stop: (() => void) | undefined;
let heard = 0;
let stopped = 0;

/** Timers of a busy machine are late. */
const EVERY = 50;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  if (now - last > 3 * EVERY) stopped += now - last - EVERY;
  last = now;
}, EVERY);

for (const [target, names] of [[window, ["online", "offline", "pagehide", "pageshow"]], [document, ["freeze", "resume", "visibilitychange"]]] as const) {
  for (const name of names) target.addEventListener(name, () => void facts.lifecycle.push(name === "visibilitychange" ? document.visibilityState : name));
}

function handle(index: number, data: unknown): void {
  facts.calls[index] = (facts.calls[index] ?? 0) + 1;
  const { number } = data as { number?: number };
  if (index === 0 && number !== undefined) facts.numbers.push(number);
}

function Row({ index }: { index: number }): ReactNode {
  const status = useStatus((snapshot) => snapshot.status);
  const events = useEvents("client_create", { limit: 10 });
  const last = useRef(events);
  useEvent("client_create", (data) => handle(index, data));
  useEffect(() => {
    if (index === 0 && last.current !== events) facts.renders.push(performance.now());
    last.current = events;
  }, [index, events]);
  return (
    <li>
      {status} {events.length}
    </li>
  );
}

function Reload(): null {
  useMissed((missed) => void facts.missed.push(missed));
  return null;
}

const page = {
  start({ url, tokens, components, reloads = true, ...options }: Start): void {
    const connection = createClient({
      ...options,
      url,
      ...(tokens === undefined
        ? {}
        : {
            token: ({ why }) => {
              facts.tokens.push(why);
              return tokens.length > 1 ? (tokens.shift() ?? null) : (tokens[0] ?? null);
            },
          }),
    });
    client = connection;
    let last: unknown = null;
    connection.subscribe(() => {
      const { status, recovery, reason, since } = connection.snapshot();
      if (status === "reconnecting" && facts.statuses.at(-1) === "open") facts.lost.push({ silence: since - heard, stopped });
      if (reason !== null && reason !== last) facts.reasons.push(reason.code ?? reason.kind);
      last = reason;
      if (facts.statuses.at(-1) !== status) facts.statuses.push(status);
      if (facts.recoveries.at(-1) !== recovery) facts.recoveries.push(recovery);
    });
    connection.on("*", (_data, { at }) => {
      heard = at;
      stopped = 0;
    });
    if (components === 0) {
      connection.on("client_create", (data) => handle(0, data));
      if (reloads) connection.onMissed((missed) => void facts.missed.push(missed));
      stop = connection.acquire();
      return;
    }
    const rows = Array.from({ length: components }, (_, index) => <Row key={index} index={index} />);
    root = createRoot(document.getElementById("root") as HTMLElement);
    root.render(
      <StrictMode>
        <ChannelgateProvider client={connection}>
          {reloads && <Reload />}
          <ul>{rows}</ul>
        </ChannelgateProvider>
      </StrictMode>,
    );
  },

  facts(): Facts {
    const { status, recovery, attempt, reason, node, latency, queued } = client?.snapshot() ?? ({} as ReturnType<Client["snapshot"]>);
    return {
      ...facts,
      made: window.sockets.length,
      open: window.sockets.filter(({ readyState }) => readyState < WebSocket.CLOSING).length,
      snapshot: { status, recovery, attempt, reason, node, latency, queued },
      text: document.getElementById("root")?.textContent ?? "",
    };
  },

  /** Forgets what happened so far. */
  clear(): void {
    for (const list of Object.values(facts)) list.length = 0;
  },

  client: (): Client => client as Client,

  /** Connects many clients, each with its number in the address. */
  many(url: string, count: number): void {
    for (let number = 0; number < count; number += 1) {
      const one = createClient({ url: `${url}?number=${number}`, backoff: { base: 300, cap: 300 } });
      one.subscribe(() => {
        const { status, retryAt, since } = one.snapshot();
        crowd[number] ??= { status, pause: null };
        const known = crowd[number] as Crowd;
        known.status = status;
        if (status === "reconnecting") known.pause ??= (retryAt ?? since) - since;
      });
      one.connect();
    }
  },

  /** Of each of the many: its status, and after its first attempt the milliseconds that it has waited for that. */
  crowd(): { status: string; delay: number | null }[] {
    return crowd.map(({ status, pause }, number) => {
      const made = window.sockets.filter(({ url }) => new URL(url).searchParams.get("number") === String(number));
      return { status, delay: made.length < 2 ? null : pause };
    });
  },

  end(): void {
    root?.unmount();
    stop?.();
  },
};

window.page = page;
