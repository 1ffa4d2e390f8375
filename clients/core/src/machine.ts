// The rules of the connection as a pure function: state × input → state × effects. It has no timers, sockets or clock:
// times come in with each input, deadlines are part of the state, and the driver (client.ts) carries the effects out.

import { APART, pause } from "./backoff.js";
import { UNKNOWN_RETRIES, verdictOf } from "./closecodes.js";
import { beat, heard, isDead, ping, WAKE } from "./heartbeat.js";
import { counted } from "./interest.js";
import { kept } from "./outbox.js";
import type { Queued } from "./outbox.js";
import { fresh, miss, notice, ran, recover, reopened, schedule } from "./recovery.js";
import type { Config, Draft, Effect, Input, State, Timer } from "./state.js";
import type { Named, Reason, Snapshot, Verdict } from "./types.js";

/** Milliseconds. */
const SHOWN = 30;
const TOKEN = 10_000;
const DOUBT = 10_000;
const HIDDEN = 60_000;
const FAILED = 60_000;
const SLEEP = 30_000;
const WAKING = 500;
/** Another tab writes to the storage as often as it likes. */
const STORAGE = 2_000;
/** Attempts that never opened, until the reason says what to look at. */
const REFUSED = 3;

/** In this order, if several are due. */
const TIMERS: readonly Timer[] = ["expire", "release", "leave", "connect", "pong", "shown", "stable", "beat", "recover", "retry"];

const IDLE: Snapshot = Object.freeze({
  status: "idle",
  recovery: "live",
  missed: null,
  attempt: 0,
  retryAt: null,
  since: 0,
  reason: null,
  online: null,
  node: null,
  id: null,
  latency: null,
  queued: 0,
  recovered: null,
  drops: 0,
});

export function initial(config: Config, hasToken: boolean): State {
  return {
    config,
    view: IDLE,
    now: 0,
    phase: "off",
    turn: 0,
    end: "idle",
    at: {},
    reason: null,
    users: 0,
    wanted: [],
    queue: [],
    unsure: [],
    lost: 0,
    hasToken,
    why: "first",
    failures: 0,
    unknown: 0,
    refused: 0,
    doubtful: 0,
    tried: -Infinity,
    due: 0,
    retried: false,
    shown: false,
    wasOpen: false,
    drops: 0,
    hiddenSince: null,
    online: null,
    pings: false,
    answers: false,
    heard: 0,
    lastSeen: 0,
    pinged: 0,
    latency: null,
    node: null,
    id: null,
    recovery: "live",
    missed: null,
    recovered: null,
    resumed: false,
    shared: false,
    run: 0,
    reruns: 0,
  };
}

/** `random`: from 0 to 1, for all that is left to chance in this step. */
export function step(state: State, input: Input, now: number, random: number): readonly [State, readonly Effect[]] {
  const m: Draft = { ...state, at: { ...state.at }, now, random, effects: [] };
  // The clock was set back: what was due in a second still is.
  const back = now - state.now;
  if (back < 0) for (const name of TIMERS) if (m.at[name] !== undefined) m.at[name] += back;
  react(m, input);
  m.view = look(m);
  return [m, m.effects];
}

/** The earliest time at which something is due. */
export function deadline(state: State): number {
  return Math.min(...Object.values(state.at));
}

function react(m: Draft, input: Input): void {
  switch (input.type) {
    case "connect":
      if (m.phase === "off") restart(m);
      return;
    case "disconnect":
      return leave(m);
    case "reconnect":
      if (input.why) m.reason = { kind: "closed", text: input.why };
      return restart(m);
    case "acquire":
      delete m.at.leave;
      m.users += 1;
      if (m.users === 1 && m.phase === "off") restart(m);
      return;
    case "release":
      m.users -= 1;
      if (m.users === 0) m.at.leave = m.now + m.config.linger;
      return;
    case "token":
      m.hasToken = input.hasToken;
      if (m.end === "unauthorized") restart(m);
      return;
    case "ready":
      if (m.phase !== "asking" || input.turn !== m.turn) return;
      m.phase = "opening";
      m.tried = m.now;
      m.at.connect = m.now + m.config.connectTimeout;
      m.effects.push({ do: "open", turn: m.turn });
      return;
    case "opened":
      if (m.phase === "opening" && input.turn === m.turn) opened(m, input.pings);
      return;
    case "frame":
      if (m.phase === "up" && input.turn === m.turn) frame(m, input.named);
      return;
    case "closed":
      if (input.turn === m.turn) closed(m, input.code, input.text, input.verdict, input.kind, input.after);
      return;
    case "send":
      if (m.phase === "up") write(m, input.message);
      else if (!input.volatile) queue(m, [...m.queue, input.message]);
      return;
    case "unsent":
      return queue(m, [...m.queue, input.message]);
    case "want":
      return want(m, input);
    case "ran":
      if (input.run === m.run) ran(m, input.ok);
      return;
    case "handler":
      if (m.recovery === "missed" && m.at.recover === undefined) schedule(m, false);
      return;
    case "fresh":
      return fresh(m);
    case "tick":
      return tick(m);
    case "page":
      m.online = input.online;
      m.hiddenSince = input.hidden ? m.now : null;
      return;
    case "online":
      m.online = true;
      return wake(m);
    case "offline":
      m.online = false;
      return ping(m, WAKE);
    case "hidden":
      m.hiddenSince = m.now;
      return;
    case "visible": {
      const slept = m.hiddenSince !== null && m.now - m.hiddenSince >= SLEEP;
      m.hiddenSince = null;
      if (slept || m.end === "failed") wake(m);
      else if (m.at.retry !== undefined) m.at.retry = Math.min(m.at.retry, Math.max(m.due, m.now));
      return;
    }
    case "wake":
      return wake(m);
    case "away":
      // A page with an open socket cannot be kept for the way back.
      if (m.phase !== "off") drop(m, "away");
      return;
    case "back":
      if (m.phase === "away") begin(m, m.now);
      return;
    case "storage":
      if (m.phase === "off" && m.end === "unauthorized") begin(m, m.tried + STORAGE);
  }
}

/** Tries anew, and forgets what failed before. */
function restart(m: Draft): void {
  m.failures = m.unknown = m.refused = m.doubtful = 0;
  m.end = null;
  m.retried = m.wasOpen && m.phase !== "off";
  begin(m, m.now);
}

/** The next attempt is made at this time, though never sooner than APART after the one before. */
function begin(m: Draft, at: number): void {
  drop(m, "waiting");
  m.at.retry = Math.max(at, m.now, m.tried + APART);
  if (m.at.retry <= m.now) attempt(m);
}

function attempt(m: Draft): void {
  delete m.at.retry;
  m.phase = "asking";
  m.tried = m.now;
  m.at.connect = m.now + TOKEN;
  m.effects.push({ do: "ask", turn: m.turn, attempt: m.failures, why: m.why });
}

/** Ends the connection or the attempt, if there is one; nothing of it counts any more. */
function drop(m: Draft, phase: "off" | "waiting" | "away"): void {
  if (m.phase === "asking" || m.phase === "opening" || m.phase === "up") m.effects.push({ do: "drop", code: 1000 });
  if (m.shown) m.lastSeen = m.heard;
  m.phase = phase;
  m.turn += 1;
  m.shown = m.pings = m.answers = m.resumed = false;
  m.pinged = 0;
  for (const name of ["retry", "connect", "shown", "stable", "beat", "pong", "recover"] as const) delete m.at[name];
  // A server that refuses accepts and closes at once; it has read nothing.
  queue(m, [...m.unsure, ...m.queue]);
  m.unsure = [];
}

function stop(m: Draft, end: "closed" | "failed" | "unauthorized"): void {
  drop(m, "off");
  m.end = end;
}

/** The application ends it. */
function leave(m: Draft): void {
  delete m.at.leave;
  if (m.end === "idle") return;
  if (m.recovery === "recovering") {
    m.recovery = "missed";
    m.run += 1;
    m.effects.push({ do: "abort" });
  }
  stop(m, "closed");
  m.reason = null;
}

function opened(m: Draft, pings: boolean): void {
  m.phase = "up";
  m.heard = m.now;
  m.pings = pings;
  m.refused = 0;
  if (m.doubtful === Infinity) m.doubtful = m.now + DOUBT;
  delete m.at.connect;
  m.at.shown = m.now + SHOWN;
  m.at.stable = m.now + m.config.stableAfter;
  const { heartbeat } = m.config;
  if (heartbeat && heartbeat.always) m.at.beat = m.now + heartbeat.interval;
  for (const { kind, name, users } of m.wanted) if (users > 0) m.effects.push({ do: "tell", kind, name, wanted: true });
  queue(m, m.queue);
  for (const message of m.queue) write(m, message);
  queue(m, []);
}

function frame(m: Draft, named: Named | null): void {
  // The answer to a ping is not an event.
  if (!named) {
    m.latency = m.now - m.pinged;
    m.pinged = 0;
  } else if (named.event === "hello") hello(m, named.data);
  else notice(m, named);
  heard(m);
}

/** Only Channelgate's own: applications may have an event of this name, too. */
function hello(m: Draft, data: unknown): void {
  const { node, id, v } = (data ?? {}) as Record<string, unknown>;
  if (v !== 1 || typeof node !== "string") return;
  m.node = node;
  m.id = typeof id === "string" ? id : null;
  m.answers = true;
  beat(m);
}

function closed(m: Draft, code: number, text: string, said?: Verdict, kind?: Reason["kind"], after = 0): void {
  const { phase, shown } = m;
  const isOpen = phase === "up";
  const verdict = m.config.closeCodes[code] ?? said ?? verdictOf(code) ?? (m.unknown++ < UNKNOWN_RETRIES ? "retry" : "failed");
  // The browser does not say why a handshake failed: the server refused, or there is no network.
  if (phase === "opening") m.refused += 1;
  m.why = isOpen ? "retry" : phase === "opening" ? "refused" : m.why;
  if (shown) m.drops += 1;
  const isRefused = m.refused >= REFUSED && verdict === "retry";
  m.reason = isRefused
    ? { kind: "refused", code, text: `Refused ${m.refused} times before it was open. Look at the address, the token, the allowed origins, and whether the server runs.` }
    : { kind: kind ?? (code === 1006 ? "network" : "closed"), ...(code && { code }), text };
  drop(m, "waiting");
  m.shared = verdict === "retry-soon";
  if (code === 1013 && m.wasOpen) miss(m, { reason: "gap", ...(text && { detail: text }), groups: null, since: m.lastSeen, until: m.now }, false);
  if (verdict === "closed" || verdict === "failed" || verdict === "unauthorized") return stop(m, verdict);
  if (verdict !== "expired") return retry(m, verdict, after);
  if (!m.hasToken || m.now < m.doubtful) return stop(m, "unauthorized");
  m.doubtful = Infinity;
  m.why = "expired";
  m.retried = true;
  begin(m, m.now);
}

function retry(m: Draft, verdict: Verdict, after: number): void {
  const { backoff } = m.config;
  const spent = m.failures >= backoff.attempts && verdict !== "retry-soon";
  if (spent && backoff.giveUp) return stop(m, "failed");
  const wait = spent ? Math.max(FAILED, after) : pause(verdict, m.failures, m.random, after, backoff);
  if (!spent && verdict !== "retry-soon") m.failures += 1;
  m.end = spent ? "failed" : null;
  m.retried = true;
  m.due = m.now + wait;
  begin(m, m.hiddenSince !== null ? Math.max(m.due, m.tried + HIDDEN) : m.due);
}

/** The page or the device has slept, or the network is back: an open connection has to show that it is. */
function wake(m: Draft): void {
  ping(m, WAKE);
  if (m.at.retry === undefined || m.hiddenSince !== null) return;
  m.at.retry = Math.min(m.at.retry, Math.max(m.now + m.random * WAKING, m.tried + APART));
}

function tick(m: Draft): void {
  const isLate = deadline(m) < m.now - SLEEP;
  for (const name of TIMERS) {
    const at = m.at[name];
    if (at === undefined || at > m.now) continue;
    delete m.at[name];
    fire(m, name, at);
  }
  if (isLate) wake(m);
}

function fire(m: Draft, name: Timer, at: number): void {
  switch (name) {
    case "expire":
      return queue(m, m.queue);
    case "release":
      return release(m);
    case "leave":
      return leave(m);
    case "connect":
      if (m.phase === "asking") return closed(m, 0, "The token took too long.", "retry", "token");
      return closed(m, 1006, "The handshake took too long.");
    case "pong":
      if (!isDead(m, at)) return;
      m.drops += 1;
      m.retried = true;
      m.why = "retry";
      m.reason = { kind: "heartbeat", text: "The server did not answer a ping." };
      return begin(m, m.now);
    case "shown":
      m.shown = true;
      m.end = m.reason = null;
      m.why = "retry";
      m.unsure = [];
      return reopened(m);
    case "stable":
      m.failures = m.unknown = 0;
      return;
    case "beat":
      return beat(m);
    case "recover":
      return recover(m);
    case "retry":
      attempt(m);
  }
}

function write(m: Draft, message: Queued): void {
  m.effects.push({ do: "send", message });
  if (!m.shown) m.unsure = [...m.unsure, message];
}

/** Keeps what the limits allow, and counts the rest. */
function queue(m: Draft, messages: readonly Queued[]): void {
  const { outbox } = m.config;
  m.queue = kept(messages, m.now, outbox);
  const oldest = m.queue[0];
  if (oldest) m.at.expire = oldest.at + outbox.age;
  else delete m.at.expire;
  const count = messages.length - m.queue.length;
  if (count === 0) return;
  m.lost += count;
  m.effects.push({ do: "lost", count });
  miss(m, { reason: "outbox", detail: `${m.lost} messages were not sent`, groups: null, since: messages[0]?.at ?? m.now, until: m.now }, false);
}

function want(m: Draft, { kind, name, change }: Input & { type: "want" }): void {
  const before = m.wanted;
  m.wanted = counted(before, kind, name, change, m.now + m.config.linger);
  if (m.phase === "up" && m.wanted.length > before.length) m.effects.push({ do: "tell", kind, name, wanted: true });
  nextRelease(m);
}

function release(m: Draft): void {
  const gone = m.wanted.filter(({ until }) => until <= m.now);
  m.wanted = m.wanted.filter(({ until }) => until > m.now);
  if (m.phase === "up") for (const { kind, name } of gone) m.effects.push({ do: "tell", kind, name, wanted: false });
  nextRelease(m);
}

function nextRelease(m: Draft): void {
  const next = Math.min(...m.wanted.map(({ until }) => until));
  if (next < Infinity) m.at.release = next;
  else delete m.at.release;
}

/** What the application sees: another object only if something has changed. */
function look(m: Draft): Snapshot {
  const status = m.shown ? "open" : (m.end ?? (m.online === false && m.phase !== "up" ? "offline" : m.retried ? "reconnecting" : "connecting"));
  const before = m.view;
  const view: Snapshot = {
    status,
    recovery: m.recovery,
    missed: m.missed,
    attempt: m.failures,
    retryAt: m.at.retry ?? null,
    since: status === before.status ? before.since : m.now,
    reason: m.reason,
    online: m.online,
    node: m.node,
    id: m.id,
    latency: m.latency,
    queued: m.queue.length,
    recovered: m.recovered,
    drops: m.drops,
  };
  return (Object.keys(view) as (keyof Snapshot)[]).some((key) => view[key] !== before[key]) ? Object.freeze(view) : before;
}
