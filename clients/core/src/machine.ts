// The rules of the connection as a pure function: state × input → state × effects. It has no timers, sockets or clock:
// times come in with each input, deadlines are part of the state, and the driver (client.ts) carries the effects out.

import { pause } from "./backoff.js";
import { verdictOf } from "./closecodes.js";
import { alive, beat, ping } from "./heartbeat.js";
import { APART, DOUBT, LOG, MINUTE, REFUSED, SHOWN, SLEEP, STORAGE, TOKEN, UNKNOWN, WAKE, WAKING } from "./numbers.js";
import { kept } from "./outbox.js";
import type { Queued } from "./outbox.js";
import { fresh, interrupt, miss, notice, ran, recover } from "./recovery.js";
import type { Config, Draft, Effect, Input, Inputs, Phase, State, Timer } from "./state.js";
import type { Reason, Snapshot, Verdict } from "./types.js";

/** The state before the first attempt; it is also what a server renders. */
export const IDLE: Snapshot = {
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
};
const KEYS = Object.keys(IDLE) as (keyof Snapshot)[];

/** What happens when something is due; in this order, if several things are. */
const due: Record<Timer, (m: Draft, at: number) => void> = {
  linger(m) {
    for (const [key, one] of m.wanted) if (!one.users && m.wanted.delete(key) && m.phase === "up") m.do("tell", one, false);
    if (m.users === 0) leave(m);
  },
  connect(m) {
    closed(m, 0, "no answer", "retry", m.phase === "asking" ? "token" : "network");
  },
  pong(m, at) {
    const time = at - m.pinged;
    // A timer that is late (sleep, a throttled tab) says nothing: it is asked again.
    if (m.now > at + time) return ping(m, time);
    m.drops += 1;
    m.reason = { kind: "heartbeat", text: "no answer" };
    begin(m);
  },
  show,
  stable(m) {
    m.attempt = m.odd = 0;
  },
  beat,
  recover,
  retry: attempt,
};

/** What follows from each input. */
const rules: { [K in keyof Inputs]: (m: Draft, ...input: Inputs[K]) => void } = {
  connect(m) {
    if (m.phase === "off") restart(m);
  },
  disconnect(m) {
    leave(m);
    // What waits was this user's; the next connection may be another's.
    enqueue(m, m.queue, []);
  },
  reconnect(m, text) {
    restart(m);
    if (text) m.reason = { kind: "closed", text };
  },
  acquire(m, change) {
    m.users = (m.users ?? 0) + change;
    if (change < 0) m.at.linger = m.now + (m.linger ?? 0);
    else if (m.users === 1) rules.connect(m);
  },
  token(m) {
    if (m.end === "unauthorized") restart(m);
  },
  ready(m) {
    m.phase = "opening";
    m.at.connect = m.now + (m.connectTimeout ?? 20_000);
  },
  opened(m, pings, known) {
    enqueue(m, m.queue);
    m.recovered = m.heard ? false : null;
    Object.assign(m, known);
    m.phase = "up";
    m.answers = !!m.heartbeat;
    m.pings = pings;
    m.isNew = true;
    m.refused = 0;
    m.doubt = Math.min(m.doubt, m.now + DOUBT);
    m.at.connect = Infinity;
    m.at.show = m.now + SHOWN;
    m.at.stable = m.now + (m.stableAfter ?? 5_000);
    for (const one of m.wanted.values()) m.do("tell", one, true);
    for (const message of m.queue) m.do("send", message);
  },
  pong(m) {
    m.latency = m.now - m.pinged;
    m.pinged = 0;
    alive(m);
  },
  frame(m, event, data) {
    // A server that refuses sends no frame.
    if (!m.shown) show(m);
    notice(m, event, data);
    alive(m);
  },
  closed,
  send(m, message) {
    if (m.phase === "up") m.do("send", message);
    // A server that refuses accepts and closes at once; it has read nothing.
    if (!m.shown) enqueue(m, [...m.queue, message]);
  },
  unsent(m, message) {
    if (m.shown) enqueue(m, [...m.queue, message]);
  },
  want(m, kind, name, change) {
    const key = `${kind} ${name}`;
    const before = m.wanted.get(key);
    // The map itself changes: pages may want thousands.
    m.wanted.set(key, { kind, name, users: (before?.users ?? 0) + change });
    if (change < 0) m.at.linger = m.now + (m.linger ?? 0);
    else if (m.phase === "up" && !before) m.do("tell", { kind, name }, true);
  },
  ran,
  fresh,
  tick(m) {
    const isLate = deadline(m) < m.now - SLEEP;
    for (const name in due) {
      const at = m.at[name as Timer] as number;
      if (at <= m.now) {
        m.at[name as Timer] = Infinity;
        due[name as Timer](m, at);
      }
    }
    if (isLate) wake(m);
  },
  online(m) {
    m.online = true;
    wake(m);
  },
  offline(m) {
    m.online = false;
    ping(m, WAKE);
  },
  visible(m) {
    const slept = m.now - m.hidden >= SLEEP;
    m.hidden = 0;
    if (slept || m.phase !== "up") wake(m);
  },
  hidden(m) {
    m.hidden = m.now;
  },
  wake,
  away(m) {
    // A page with an open socket cannot be kept for the way back.
    if (m.phase !== "off") drop(m, "away");
  },
  back(m) {
    m.stored = m.phase === "away";
    if (m.stored) begin(m);
  },
  storage(m) {
    if (m.phase === "off" && m.end === "unauthorized") begin(m, m.tried + STORAGE);
  },
};

/** Before the first input. */
export function initial(config: Config): State {
  const begun: Partial<State> = {
    ...IDLE,
    ...config,
    view: IDLE,
    phase: "off",
    end: "idle",
    at: { linger: Infinity },
    wanted: new Map(),
    queue: [],
    lost: 0,
    why: "first",
    tried: 0,
    hidden: 0,
    now: 0,
  };
  // What an attempt sets before it is read.
  return begun as State;
}

/** `random`: from 0 to 1, for all that is left to chance in this step. */
export function step(state: State, [name, ...input]: Input, now: number, random: number): readonly [State, readonly Effect[]] {
  const effects: Effect[] = [];
  const m: Draft = { ...state, at: { ...state.at }, now, random, do: (...effect) => effects.push(effect) };
  (rules[name] as (m: Draft, ...input: unknown[]) => void)(m, ...input);
  look(m);
  return [m, effects];
}

/** The earliest time at which something is due. */
export function deadline(state: State): number {
  return Math.min(...Object.values(state.at));
}

/** What the application sees: another object only if something has changed. */
function look(m: Draft): void {
  const status = m.shown
    ? "open"
    : (m.end ?? (m.online === false ? "offline" : m.heard || m.reason ? "reconnecting" : "connecting"));
  if (status !== m.status) m.since = m.now;
  m.status = status;
  m.retryAt = m.phase === "waiting" ? (m.at.retry as number) : null;
  m.queued = m.queue.length;
  if (KEYS.some((key) => m[key] !== m.view[key])) m.view = Object.freeze(Object.fromEntries(KEYS.map((key) => [key, m[key]]))) as unknown as Snapshot;
}

/** Tries anew, and forgets what failed before. */
function restart(m: Draft): void {
  m.attempt = m.odd = m.refused = m.doubt = 0;
  m.end = null;
  begin(m);
}

/** The next attempt is made at this time, though never sooner than APART after the one before. */
function begin(m: Draft, at = 0): void {
  drop(m, "waiting");
  const next = Math.max(at, m.tried + APART);
  if (next > m.now) m.at.retry = next;
  else attempt(m);
}

function attempt(m: Draft): void {
  m.phase = "asking";
  m.tried = m.now;
  m.at.connect = m.now + TOKEN;
  m.do("ask", m.why);
}

/** Ends the connection or the attempt, if there is one; nothing of it counts any more. */
function drop(m: Draft, phase: Phase): void {
  m.do("drop");
  m.phase = phase;
  m.shown = false;
  m.pinged = 0;
  m.at = { linger: m.at.linger };
  // What has become too old meanwhile.
  enqueue(m, m.queue);
}

function stop(m: Draft, end: "closed" | "failed" | "unauthorized"): void {
  m.end = end;
  drop(m, "off");
}

/** The application ends it. */
function leave(m: Draft): void {
  // Without users, `connect()` has none to count.
  m.users ||= undefined;
  if (m.missed) interrupt(m, "missed");
  stop(m, "closed");
}

function show(m: Draft): void {
  m.at.show = Infinity;
  m.shown = true;
  if (m.recovered === false) miss(m, m.stored ? "resumed-from-cache" : "reconnected", m.heard, m.reason?.code === 1012);
  else recover(m);
  m.stored = false;
  m.end = m.reason = null;
  m.why = "retry";
  enqueue(m, []);
  alive(m);
}

function closed(m: Draft, code: number, text: string, said?: Verdict, kind: Reason["kind"] = code === 1006 ? "network" : "closed", after?: number): void {
  const verdict = m.closeCodes?.[code] ?? said ?? verdictOf(code) ?? (m.odd++ < UNKNOWN ? "retry" : "failed");
  if (m.shown) m.drops += 1;
  if (m.phase === "opening") {
    m.why = "refused";
    m.refused += 1;
    // The browser does not say why a handshake failed: the server refused, or there is no network.
    if (m.refused >= REFUSED) {
      kind = "refused";
      text = `check url, token, origins ${text}`;
    }
  }
  m.reason = { kind, ...(code && { code }), text };
  drop(m, "waiting");
  if (code === 1013 && m.heard) miss(m, "gap", m.heard, false, text);
  if (verdict.startsWith("retry")) retry(m, verdict, after || 0);
  else if (verdict === "expired" && m.now >= m.doubt) {
    m.doubt = Infinity;
    m.why = "expired";
    begin(m);
  } else stop(m, verdict === "expired" ? "unauthorized" : (verdict as "failed"));
}

function retry(m: Draft, verdict: Verdict, after: number): void {
  const { attempts = Infinity, giveUp } = m.backoff ?? {};
  // A node that stops is not a failure.
  const isFailure = verdict !== "retry-soon";
  const isSpent = isFailure && m.attempt >= attempts;
  if (isSpent && giveUp) return stop(m, "failed");
  const wait = isSpent ? Math.max(MINUTE, after) : pause(verdict, m.attempt, m.random, after, m.backoff);
  if (isFailure && !isSpent) m.attempt += 1;
  m.end = isSpent ? "failed" : null;
  begin(m, Math.max(m.now + wait, m.hidden && m.tried + MINUTE));
}

/** The page or the device has slept, or the network is back: an open connection has to show that it is. */
function wake(m: Draft): void {
  ping(m, WAKE);
  if (m.phase === "waiting" && !m.hidden) begin(m, Math.min(m.at.retry as number, m.now + m.random * WAKING));
}

/** Keeps what the limits allow, and counts the rest. What has been written is not lost yet; without a login nothing waits. */
function enqueue(m: Draft, messages: readonly Queued[], allowed = m.end === "unauthorized" ? [] : kept(messages, m.now, m.outbox)): void {
  m.queue = m.phase === "up" ? messages : allowed;
  const count = messages.length - m.queue.length;
  if (!count) return;
  m.lost += count;
  const text = `${m.lost} messages were not sent`;
  if (!(m.now < m.logged + LOG)) {
    m.logged = m.now;
    m.do("lost", text);
  }
  miss(m, "outbox", (messages[0] as Queued).at, false, text);
}
