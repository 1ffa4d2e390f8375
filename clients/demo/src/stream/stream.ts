// The one place where the events of all systems come together: the sockets' side, Django's side, and the books of both.

import { createStore, type Store } from "../ui/store";
import { SYSTEMS, systemOf, type SystemId } from "../systems";
import { sentence, type Away } from "./facts";
import { createLedger, tallyOf, type Ledger } from "./ledger";
import { createRecords, type Item, type Records } from "./records";
import { NOTHING, type Arrival, type Fate, type NodeInfo, type Sent, type Tally } from "./types";
import type { SentEvents } from "./sent";
import type { Observer } from "./watch";

/** For what draws: each event by itself, at once. */
export interface Listener {
  arrived?(arrival: Arrival, key: string): void;
  sent?(event: Sent): void;
  fate?(n: number, fate: Fate | null): void;
  /** This node serves the system from now on. */
  served?(system: SystemId, node: string): void;
  nodes?(): void;
}

export interface Fact {
  readonly at: number;
  readonly text: string;
  /** Something was lost, or could not be done. */
  readonly isBad: boolean;
}

export interface Totals {
  readonly total: Tally;
  readonly by: Readonly<Record<SystemId, Tally>>;
  /** Events that came, numbered or not. */
  readonly arrivals: Readonly<Record<SystemId, number>>;
}

/** A travel time: when the event came, and its milliseconds from Django to this browser. */
export interface Sample {
  readonly came: number;
  readonly ms: number;
}

export interface Stream extends Observer, Pick<SentEvents, "sent"> {
  readonly ledger: Ledger;
  readonly records: Records;
  readonly totals: Store<Totals>;
  readonly items: Store<readonly Item[]>;
  readonly facts: Store<readonly Fact[]>;
  /** The fact that is shown. */
  readonly line: Store<Fact | null>;
  readonly nodes: Store<readonly NodeInfo[]>;
  /** The node of each system's socket. */
  readonly serving: Store<Readonly<Partial<Record<SystemId, string>>>>;
  readonly samples: () => readonly Sample[];
  /** The nodes as they are known now, and not once per frame. */
  lanes(): readonly NodeInfo[];
  setNodes(nodes: readonly NodeInfo[]): void;
  fact(text: string, isBad?: boolean): void;
  /** What the control process says. It is shown until a fact of this page's own says what that meant for it. */
  note(text: string, at: number): void;
  /**
   * Something is broken: when it has been done, at least so many milliseconds have passed, and all is settled, a fact
   * states what happened. `done` may say something else than `what`.
   */
  broken(how: { readonly begun: string; readonly what: string; readonly atLeast: number; readonly done: Promise<string | void> }): void;
  listen(listener: Listener): () => void;
  /** Numbers begin anew: what is known of events by theirs is forgotten. What was counted stays. */
  restarted(): void;
  /** Settles what is due; called a few times a second. */
  tick(): void;
}

const LISTED = 50;
const FACTS = 30;
const SAMPLES = 30_000;
/** After this time a fact says what is not settled. */
const PATIENCE = 20_000;

/** A page that does not look at its events for so long stands still. */
const STILL = 1_000;

/** What was done shows its effect within this time. */
const EFFECT = 1_500;

interface Break {
  what: string;
  readonly since: number;
  /** Infinity until it has been done. */
  earliest: number;
  /** What has become of events since then; what waited already is settled together with what follows. */
  readonly fates: Map<number, Fate>;
  readonly failedBefore: number;
}

const ORDER = SYSTEMS.map(({ id }) => id);
const inOrder = (a: { readonly system: SystemId }, b: { readonly system: SystemId }): number => ORDER.indexOf(a.system) - ORDER.indexOf(b.system);

const none = <T,>(value: T): Record<SystemId, T> => Object.fromEntries(SYSTEMS.map(({ id }) => [id, value])) as Record<SystemId, T>;

interface Span extends Away {
  readonly system: SystemId;
}

/** Those that have not ended before. */
const after = (since: number, spans: readonly Span[]): Span[] => spans.filter(({ to }) => to === null || to >= since);

const begun = (system: SystemId, spans: readonly Span[]): readonly Span[] =>
  spans.some((one) => one.system === system && one.to === null) ? spans : [...spans, { system, title: systemOf(system).title, from: Date.now(), to: null }];

const ended = (system: SystemId, spans: readonly Span[]): readonly Span[] => spans.map((one) => (one.system === system && one.to === null ? { ...one, to: Date.now() } : one));

export function createStream(): Stream {
  const listeners = new Set<Listener>();
  const records = createRecords();
  const onFate = (n: number, fate: Fate | null) => {
    records.fate(n, fate);
    for (const { fates } of breaks) {
      if (fate === null) fates.delete(n);
      else fates.set(n, fate);
    }
    for (const listener of listeners) listener.fate?.(n, fate);
    changed();
  };
  const ledger = createLedger(onFate);
  const arrivals = none(0);
  const totals = createStore<Totals>({ total: NOTHING, by: none(NOTHING), arrivals: none(0) });
  const items = createStore<readonly Item[]>([]);
  const facts = createStore<readonly Fact[]>([]);
  const line = createStore<Fact | null>(null);
  const nodes = createStore<readonly NodeInfo[]>([]);
  const serving = createStore<Readonly<Partial<Record<SystemId, string>>>>({});
  let known: readonly NodeInfo[] = [];
  let served: Partial<Record<SystemId, string>> = {};
  let stated: readonly Fact[] = [];
  let samples: Sample[] = [];
  let breaks: Break[] = [];
  /** Connections that were lost, and misses that were reported, lately. */
  let absences: readonly Span[] = [];
  let gaps: readonly Span[] = [];
  /** The last fact of this page's own. */
  let last: Fact | null = null;
  let count = 0;
  let ticked = Date.now();
  let isChanged = false;

  function changed(): void {
    isChanged = true;
  }

  const publish = () => {
    if (!isChanged) return;
    isChanged = false;
    const by = Object.fromEntries(SYSTEMS.map(({ id }) => [id, ledger.tally(id)])) as Record<SystemId, Tally>;
    totals.set({ total: ledger.total(), by, arrivals: { ...arrivals } });
    items.set(records.last(LISTED));
  };

  const note = (text: string, at: number, isBad = false): Fact => {
    const fact = { at, text, isBad };
    stated = [...stated, fact].slice(-FACTS);
    facts.set(stated);
    return fact;
  };
  const fact = (text: string, isBad = false) => {
    last = note(text, Date.now(), isBad);
    line.set(last);
  };

  const setNodes = (given: readonly NodeInfo[]) => {
    known = given;
    nodes.set(known);
    for (const listener of listeners) listener.nodes?.();
  };

  const settle = (now: number) => {
    const isOpen = [...absences, ...gaps].some(({ to }) => to === null) || ledger.unsettled(now) > 0;
    breaks = breaks.filter(({ what, since, earliest, fates, failedBefore }) => {
      if (now < earliest || (isOpen && now < Math.max(since, earliest) + PATIENCE)) return true;
      const change = tallyOf(fates.values(), Math.max(0, ledger.total().failedToPublish - failedBefore));
      fact(sentence(what, after(since, absences).sort(inOrder), after(since, gaps).sort(inOrder), change), change.lost > 0);
      return false;
    });
    absences = after(now - 2 * PATIENCE, absences).slice(-50);
    gaps = after(now - 2 * PATIENCE, gaps).slice(-50);
  };

  return {
    ledger,
    records,
    totals,
    items,
    facts,
    line,
    nodes,
    serving,
    samples: () => samples,
    lanes: () => known,
    arrived(given) {
      const arrival: Arrival = { ...given, id: ++count };
      const { system, n, at, came } = arrival;
      arrivals[system] += 1;
      if (at !== null) samples.push({ came, ms: Math.max(0, came - at) });
      const key = records.arrived(arrival);
      // Before its fate: what is drawn goes on from where it was waited for.
      for (const listener of listeners) listener.arrived?.(arrival, key);
      if (n !== null) ledger.arrived(system, n, came);
      changed();
    },
    sent(event) {
      records.sent(event);
      ledger.sent(event, Date.now());
      for (const listener of listeners) listener.sent?.(event);
      changed();
    },
    want: ledger.want,
    away(system, since, why) {
      const isCut = why === "connection";
      ledger.away(system, since, isCut);
      if (isCut) absences = begun(system, absences);
      else {
        absences = ended(system, absences);
        gaps = begun(system, gaps);
      }
    },
    live(system) {
      ledger.live(system, Date.now());
      absences = ended(system, absences);
      gaps = ended(system, gaps);
      changed();
    },
    node(system, node) {
      served = { ...served };
      if (node === null) delete served[system];
      else served[system] = node;
      serving.set(served);
      // Without a control process the nodes are those that serve this page, or have served it.
      if (node === null) return;
      if (!known.some(({ name }) => name === node)) setNodes([...known, { name: node, state: "running" as const }].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true })));
      for (const listener of listeners) listener.served?.(system, node);
    },
    setNodes,
    fact,
    note(text, at) {
      const one = note(text, at);
      if (breaks.length > 0 || one.at - (last?.at ?? 0) > PATIENCE) line.set(one);
    },
    broken({ begun, what, atLeast, done }) {
      const since = Date.now();
      line.set({ at: since, text: begun, isBad: false });
      const fates = new Map(ledger.waiting().map((n): [number, Fate] => [n, "waiting"]));
      const one: Break = { what, since, earliest: Infinity, fates, failedBefore: ledger.total().failedToPublish };
      breaks.push(one);
      done.then(
        (instead) => {
          one.what = instead ?? what;
          one.earliest = Math.max(since + atLeast, Date.now() + EFFECT);
        },
        () => {
          breaks = breaks.filter((other) => other !== one);
        },
      );
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    restarted() {
      ledger.forget();
      records.forget();
      changed();
    },
    tick() {
      const now = Date.now();
      // A page that stood still, or is hidden, has not looked at what came meanwhile.
      if (now - ticked > STILL) ledger.stood(now - ticked);
      ticked = now;
      ledger.tick(now);
      samples = samples.filter(({ came }) => came > now - SAMPLES).slice(-3_000);
      settle(now);
      publish();
    },
  };
}
