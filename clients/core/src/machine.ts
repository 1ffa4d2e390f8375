// The rules of the connection as a pure function: state × input → state × effects. It has no timers, sockets or clock:
// times come in with each input, deadlines are part of the state, and the driver (client.ts) carries the effects out.

import { pause } from "./backoff.js";
import { verdictOf } from "./closecodes.js";
import { alive, beat, ping } from "./heartbeat.js";
import { counted } from "./interest.js";
import { AGE, APART, DOUBT, LOG, MINUTE, REFUSED, SHOWN, SLEEP, STORAGE, TOKEN, UNKNOWN, WAKE, WAKING } from "./numbers.js";
import { kept } from "./outbox.js";
import type { Queued } from "./outbox.js";
import { fresh, interrupt, miss, notice, ran, recover } from "./recovery.js";
import type { Config, Draft, Effect, Input, Inputs, Phase, State, Timer } from "./state.js";
import type { Reason, Snapshot, Verdict } from "./types.js";

const IDLE: Snapshot = {
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
  release(m) {
    const wanted = new Map(m.wanted);
    for (const [key, one] of m.wanted) if (!one.users && wanted.delete(key) && m.phase === "up") m.effect("tell", one, false);
    m.wanted = wanted;
    if (m.users !== 0) return;
    m.users = undefined;
    leave(m);
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
  expire: (m) => enqueue(m, m.queue),
  stable(m) {
    m.attempt = m.unknown = 0;
  },
  beat,
  recover,
  retry: attempt,
};
const TIMERS = Object.keys(due) as Timer[];
const NEVER = Object.fromEntries(TIMERS.map((name) => [name, Infinity])) as Record<Timer, number>;

const rules: { [K in keyof Inputs]: (m: Draft, ...input: Inputs[K]) => void } = {
  connect(m) {
    if (m.phase === "off") restart(m);
  },
  disconnect: leave,
  reconnect(m, text) {
    restart(m);
    if (text) m.reason = { kind: "closed", text };
  },
  acquire(m, change) {
    m.users = (m.users ?? 0) + change;
    if (change < 0) m.at.release = m.now + (m.linger ?? 0);
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
    m.recovered = m.wasOpen ? false : null;
    Object.assign(m, known);
    m.phase = "up";
    m.pings = pings;
    m.answers = !!m.heartbeat;
    m.refused = 0;
    if (m.doubtful === Infinity) m.doubtful = m.now + DOUBT;
    m.at.connect = Infinity;
    m.at.show = m.now + SHOWN;
    m.at.stable = m.now + (m.stableAfter ?? 5_000);
    for (const one of m.wanted.values()) m.effect("tell", one, true);
    for (const message of m.queue) m.effect("send", message);
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
    if (m.phase === "up") m.effect("send", message);
    // A server that refuses accepts and closes at once; it has read nothing.
    if (!m.shown) enqueue(m, [...m.queue, message]);
  },
  unsent(m, message) {
    if (m.shown) enqueue(m, [...m.queue, message]);
  },
  want(m, kind, name, change) {
    const { size } = m.wanted;
    m.wanted = counted(m.wanted, kind, name, change);
    if (change < 0) m.at.release = m.now + (m.linger ?? 0);
    else if (m.phase === "up" && m.wanted.size > size) m.effect("tell", { kind, name }, true);
  },
  ran,
  fresh,
  tick(m) {
    const isLate = deadline(m) < m.now - SLEEP;
    for (const name of TIMERS) {
      const at = m.at[name];
      if (at > m.now) continue;
      m.at[name] = Infinity;
      due[name](m, at);
    }
    if (isLate) wake(m);
  },
  page(m, online, isHidden) {
    m.online = online;
    m.hidden = isHidden ? m.now : 0;
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
    if (m.phase === "away") begin(m);
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
    at: NEVER,
    wanted: new Map(),
    queue: [],
    lost: 0,
    logged: 0,
    why: "first",
    tried: 0,
  };
  // What an attempt sets before it is read.
  return begun as State;
}

/** `random`: from 0 to 1, for all that is left to chance in this step. */
export function step(state: State, [name, ...input]: Input, now: number, random: number): readonly [State, readonly Effect[]] {
  const effects: Effect[] = [];
  const m: Draft = { ...state, at: { ...state.at }, now, random, effect: (...effect) => effects.push(effect) };
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
    : (m.end ?? (m.online === false ? "offline" : m.wasOpen || m.reason ? "reconnecting" : "connecting"));
  if (status !== m.status) m.since = m.now;
  m.status = status;
  m.retryAt = m.at.retry < Infinity ? m.at.retry : null;
  m.queued = m.queue.length;
  if (KEYS.some((key) => m[key] !== m.view[key])) m.view = Object.freeze(Object.fromEntries(KEYS.map((key) => [key, m[key]]))) as unknown as Snapshot;
}

/** Tries anew, and forgets what failed before. */
function restart(m: Draft): void {
  m.attempt = m.unknown = m.refused = m.doubtful = 0;
  m.end = null;
  begin(m);
}

/** The next attempt is made at this time, though never sooner than APART after the one before. */
function begin(m: Draft, at = 0): void {
  drop(m, "waiting");
  m.at.retry = Math.max(at, m.tried + APART);
  if (m.at.retry <= m.now) attempt(m);
}

function attempt(m: Draft): void {
  m.phase = "asking";
  m.tried = m.now;
  m.at.retry = Infinity;
  m.at.connect = m.now + TOKEN;
  m.effect("ask", m.why);
}

/** Ends the connection or the attempt, if there is one; nothing of it counts any more. */
function drop(m: Draft, phase: Phase): void {
  m.effect("drop");
  m.phase = phase;
  m.shown = false;
  m.pinged = 0;
  m.at = { ...NEVER, release: m.at.release, expire: m.at.expire };
}

function stop(m: Draft, end: "closed" | "failed" | "unauthorized"): void {
  drop(m, "off");
  m.end = end;
}

/** The application ends it. */
function leave(m: Draft): void {
  if (m.end === "idle") return;
  interrupt(m);
  stop(m, "closed");
}

function show(m: Draft): void {
  m.at.show = Infinity;
  m.shown = true;
  if (m.recovered === false) miss(m, "reconnected", m.heard, m.reason?.code === 1012);
  else recover(m);
  m.wasOpen = true;
  m.end = m.reason = null;
  m.why = "retry";
  enqueue(m, []);
  alive(m);
}

function closed(m: Draft, code: number, text: string, said?: Verdict, kind: Reason["kind"] = code === 1006 ? "network" : "closed", after = 0): void {
  const verdict = m.closeCodes?.[code] ?? said ?? verdictOf(code) ?? (m.unknown++ < UNKNOWN ? "retry" : "failed");
  if (m.shown) m.drops += 1;
  if (m.phase === "opening") {
    m.why = "refused";
    m.refused += 1;
    // The browser does not say why a handshake failed: the server refused, or there is no network.
    if (m.refused >= REFUSED) {
      kind = "refused";
      text = `never opened: check url, token, origins, server ${text}`;
    }
  }
  m.reason = { kind, ...(code && { code }), text };
  drop(m, "waiting");
  if (code === 1013 && m.wasOpen) miss(m, "gap", m.heard, false, text);
  if (verdict.startsWith("retry")) retry(m, verdict, after);
  else if (verdict === "expired" && m.now >= m.doubtful) {
    m.doubtful = Infinity;
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
  if (m.phase === "waiting" && !m.hidden) begin(m, Math.min(m.at.retry, m.now + m.random * WAKING));
}

/** Keeps what the limits allow, and counts the rest. */
function enqueue(m: Draft, messages: readonly Queued[]): void {
  // What has been written is not lost yet.
  m.queue = m.phase === "up" ? messages : kept(messages, m.now, m.outbox);
  m.at.expire = (m.queue[0]?.at ?? Infinity) + (m.outbox?.age ?? AGE);
  const count = messages.length - m.queue.length;
  if (!count) return;
  m.lost += count;
  const text = `${m.lost} messages were not sent`;
  if (m.now >= m.logged + LOG) {
    m.logged = m.now;
    m.effect("lost", text);
  }
  miss(m, "outbox", (messages[0] as Queued).at, false, text);
}
