// The books: what Django has sent × what has come × what clients have reported as missed. Pure: times come in with each
// call, and nothing here waits, draws or asks.
//
// An event counts if this browser is in its group. That shows by the first event of the group that comes: from then on
// all of them must come, be loaded anew, or be reported as missing. What remains is lost.

import { isOfTopic } from "@channelgate/client/dialect";

import type { SystemId } from "../systems";
import { NOTHING, type Fate, type Sent, type Tally } from "./types";

/** An event that has not come by then is not on its way any more. A busy machine lets a process stand still for five seconds. */
const LATE = 10_000;
/** While a client is away it is clear earlier that an event does not come. */
const SOON = 1_000;
/** Django's clock, the client's last frame and its first one are not the same moment: a window is this much wider. */
const MARGIN = 1_000;
/** How long what is settled is remembered; what came, longer: Django may write its line late. */
const KEEP = 60_000;
const ENTRIES = 10_000;
const WINDOWS = 50;

type Watched = Pick<Sent, "n" | "at" | "done" | "system" | "group" | "topic" | "error">;

interface Entry {
  readonly n: number;
  /** It went through Redis at some time from `at` to `done`. */
  readonly at: number;
  readonly done: number;
  readonly system: SystemId;
  /** The number of its line in Django's record. */
  readonly line: number;
  /** When it became known here that Django has sent it. */
  seen: number;
  /** The memberships that it would come by. */
  readonly keys: readonly string[];
  /** null: this browser is not known to be in the group. */
  fate: Fate | null;
}

/** When events may not have reached a system's socket; `to` is null as long as that lasts. */
interface Window {
  from: number;
  to: number | null;
  /** The connection was lost in it. */
  isCut: boolean;
}

export interface Ledger {
  /** Django has sent it, or has failed to. */
  sent(event: Watched, now: number): void;
  arrived(system: SystemId, n: number, now: number): void;
  /** The page begins to want a room or topic, or does not want it any more. */
  want(system: SystemId, kind: "room" | "topic", name: string, isWanted: boolean): void;
  /** The client is away, or reports a miss: nothing may have come since then. `isCut`: its connection is lost. */
  away(system: SystemId, since: number, isCut?: boolean): void;
  /** It is back: what was missed is loaded anew where it is shown. */
  live(system: SystemId, now: number): void;
  /** Settles what has become clear. */
  tick(now: number): void;
  /** This page stood still so long: what was on its way is waited for as much longer. */
  stood(ms: number): void;
  /** Another person is in other groups. What has been counted stays. */
  forget(): void;
  tally(system: SystemId): Tally;
  total(): Tally;
  fateOf(n: number): Fate | null;
  /** The numbers of those that wait to be loaded anew. */
  waiting(): number[];
  /** How many events may still come or be loaded anew, without those that Django has just sent. */
  unsettled(now: number): number;
}

/** `onFate` is called when the fate of a counted event changes; with null if it does not count any more. */
export function createLedger(onFate: (n: number, fate: Fate | null) => void = () => undefined): Ledger {
  const entries = new Map<number, Entry>();
  /** When an event came through a system's socket. */
  const arrivals = new Map<string, number>();
  /** The first event of each membership that has come: its number and its line. */
  const started = new Map<string, Pick<Entry, "n" | "line">>();
  /** Those that Django could not hand to Redis, as far as it knows, and whether they were counted. */
  const failed = new Map<number, { readonly event: Watched; readonly isCounted: boolean }>();
  let lines = 0;

  const arrivalOf = (system: SystemId, n: number) => `${system} ${n}`;
  const wanted = new Map<SystemId, Set<string>>();
  const windows = new Map<SystemId, Window[]>();
  const tallies = new Map<SystemId, { -readonly [K in keyof Tally]: Tally[K] }>();
  /** Events that may still change: the others need no look. */
  const open = new Set<Entry>();

  const of = (system: SystemId) => {
    const known = tallies.get(system) ?? { ...NOTHING };
    tallies.set(system, known);
    return known;
  };

  const keysOf = ({ system, group, topic }: Watched): string[] => {
    const names = [...(wanted.get(system) ?? [])];
    if (system === "parking" && topic !== null) return names.filter((name) => isOfTopic(topic, name)).map((name) => `${system} ${group} ${name}`);
    const room = roomOf(system, group);
    return room === null || names.includes(room) ? [`${system} ${group}`] : [];
  };

  const settle = (entry: Entry, fate: Fate | null) => {
    const before = entry.fate;
    if (before === fate) return;
    const tally = of(entry.system);
    if (before === null) tally.sent += 1;
    else count(tally, before, -1);
    entry.fate = fate;
    if (fate === null) tally.sent -= 1;
    else count(tally, fate, 1);
    if (fate === "shown" || fate === "anew" || fate === null) open.delete(entry);
    else open.add(entry);
    onFate(entry.n, fate);
  };

  /** Several processes number events and send them, so only one that is later by both was certainly sent after the first. */
  const isAfterFirst = ({ keys, n, line }: Entry) =>
    keys.some((key) => {
      const first = started.get(key);
      return first !== undefined && n > first.n && line > first.line;
    });

  /** It is one that counts, as far as is known now. */
  const admit = (entry: Entry) => {
    if (entry.fate === null && isAfterFirst(entry)) settle(entry, "pending");
  };

  /** It has come: this browser is in the group, from this event on. */
  const begin = (entry: Entry) => {
    for (const key of entry.keys) {
      if (started.has(key)) continue;
      started.set(key, entry);
      // Others of the group, sent after it, may be known already.
      for (const other of entries.values()) if (other.keys.includes(key)) admit(other);
    }
    if (entry.keys.length > 0) settle(entry, "shown");
  };

  /** Rooms and topics of these names count from the next first event that comes. */
  const leave = (system: SystemId, names: Iterable<string>) => {
    for (const name of names) {
      for (const key of [...started.keys()]) if (key.startsWith(`${system} `) && key.endsWith(` ${groupOf(system, name)}`)) started.delete(key);
    }
  };

  const enter = ({ n, at, done, system, ...rest }: Watched, now: number) => {
    const entry: Entry = { n, at, done, system, line: (lines += 1), seen: now, keys: keysOf({ n, at, done, system, ...rest }), fate: null };
    entries.set(n, entry);
    if (arrivals.has(arrivalOf(system, n))) begin(entry);
    else if (now - done <= KEEP) admit(entry);
    // What can be remembered no longer does not count, unless it is clear already.
    bound(entries, ENTRIES, (old) => {
      if (open.has(old) && old.fate !== "lost") settle(old, null);
      open.delete(old);
    });
  };

  const judge = (entry: Entry, now: number): Fate => {
    const age = now - entry.seen;
    const all = (windows.get(entry.system) ?? []).filter(({ from, to }) => entry.done >= from && (to === null || entry.at <= to));
    if (all.length > 0 && (age >= SOON || entry.fate !== "pending")) return all.some(({ to }) => to === null) ? "waiting" : "anew";
    return age >= LATE ? "lost" : entry.fate === "waiting" ? "pending" : (entry.fate ?? "pending");
  };

  return {
    sent(event, now) {
      if (entries.has(event.n)) return;
      if (event.error !== null && !arrivals.has(arrivalOf(event.system, event.n))) {
        const isCounted = keysOf(event).some((key) => started.has(key));
        if (isCounted) of(event.system).failedToPublish += 1;
        failed.set(event.n, { event, isCounted });
        bound(failed, WINDOWS);
        return;
      }
      enter(event, now);
    },
    arrived(system, n, now) {
      const arrival = arrivalOf(system, n);
      if (arrivals.has(arrival)) return;
      arrivals.set(arrival, now);
      bound(arrivals, ENTRIES);
      const known = failed.get(n);
      if (known?.event.system === system) {
        // Redis had taken it before Django lost the connection.
        failed.delete(n);
        if (known.isCounted) of(system).failedToPublish -= 1;
        return enter(known.event, now);
      }
      const entry = entries.get(n);
      // Two systems may share a user's group: the event counts for the one that it is of.
      if (entry?.system === system) begin(entry);
    },
    want(system, _kind, name, isWanted) {
      const names = wanted.get(system) ?? new Set();
      wanted.set(system, names);
      if (isWanted) return void names.add(name);
      names.delete(name);
      leave(system, [name]);
      // What was on its way may come or not.
      for (const entry of [...open]) if (entry.fate !== "lost" && entry.system === system && !entry.keys.some((key) => started.has(key))) settle(entry, null);
    },
    away(system, since, isCut = false) {
      const all = windows.get(system) ?? [];
      windows.set(system, all);
      const last = all.at(-1);
      if (last?.to === null) {
        last.from = Math.min(last.from, since - MARGIN);
        last.isCut ||= isCut;
      } else all.push({ from: since - MARGIN, to: null, isCut });
      if (all.length > WINDOWS) all.shift();
    },
    live(system, now) {
      const last = windows.get(system)?.at(-1);
      if (last?.to !== null) return;
      last.to = now + MARGIN;
      // The page asks for its rooms and topics anew on a new connection. When the node has read that is not known here.
      if (last.isCut) leave(system, wanted.get(system) ?? []);
    },
    tick(now) {
      for (const entry of [...open]) settle(entry, judge(entry, now));
      for (const entry of entries.values()) if (now - entry.seen > KEEP && !open.has(entry)) entries.delete(entry.n);
      for (const [arrival, at] of arrivals) if (now - at > KEEP + LATE) arrivals.delete(arrival);
    },
    stood(ms) {
      for (const entry of open) entry.seen += ms;
    },
    forget() {
      started.clear();
      failed.clear();
      arrivals.clear();
      for (const entry of [...open]) if (entry.fate !== "lost") settle(entry, null);
      entries.clear();
      open.clear();
      windows.clear();
    },
    tally: (system) => ({ ...of(system) }),
    total: () => [...tallies.values()].reduce<Tally>(sum, NOTHING),
    waiting: () => [...open].flatMap(({ n, fate }) => (fate === "waiting" ? [n] : [])),
    fateOf: (n) => entries.get(n)?.fate ?? null,
    unsettled: (now) => [...open].filter(({ fate, seen }) => fate === "waiting" || (fate === "pending" && now - seen >= SOON)).length,
  };
}

function count(tally: { -readonly [K in keyof Tally]: Tally[K] }, fate: Fate, change: number): void {
  if (fate === "shown") tally.shown += change;
  if (fate === "anew") tally.loadedAnew += change;
  if (fate === "waiting") tally.waiting += change;
  if (fate === "lost") tally.lost += change;
}

const sum = (a: Tally, b: Tally): Tally =>
  Object.fromEntries((Object.keys(NOTHING) as (keyof Tally)[]).map((key) => [key, a[key] + b[key]])) as unknown as Tally;

/** Counts events by what has become of them, without those that are still on their way. */
export function tallyOf(fates: Iterable<Fate>, failedToPublish: number): Tally {
  const tally = { ...NOTHING, failedToPublish };
  for (const fate of fates) {
    if (fate === "pending") continue;
    tally.sent += 1;
    count(tally, fate, 1);
  }
  return tally;
}

/** The room of a group that clients join themselves; null for the others. */
function roomOf(system: SystemId, group: string): string | null {
  if (system === "class") return /^session\.(.+)$/.exec(group)?.[1] ?? null;
  return system === "workshop" && /^(work_order|ticket)_/.test(group) ? group : null;
}

const groupOf = (system: SystemId, room: string): string => (system === "class" ? `session.${room}` : room);

/** The oldest go first. */
function bound<K, V>(map: Map<K, V>, size: number, gone: (value: V) => void = () => undefined): void {
  for (const [key, value] of map) {
    if (map.size <= size) return;
    map.delete(key);
    gone(value);
  }
}
