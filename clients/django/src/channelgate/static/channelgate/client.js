/**
 * A WebSocket to Channelgate (or to Daphne) that stays: it reconnects, and says when events may be missing.
 *
 *     import { connect } from "@channelgate/client";
 *     const client = connect("/ws/orders/7/");
 *     client.on("order.status", (event) => show(event.status));
 *     client.onMissed(() => reload());
 *
 * Generated from clients/core of the repository by clients/core/scripts/static.mjs: change it there.
 *
 * @module
 */

// src/errors.ts
var TimedOut = class extends Error {
};
var Disconnected = class extends Error {
};
function guarded(call) {
  try {
    return call();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
    return void 0;
  }
}

// src/lifecycle.ts
var EVENTS = {
  online: "online",
  offline: "offline",
  storage: "storage",
  pagehide: "away",
  pageshow: "back",
  resume: "wake",
  visibilitychange: "visible"
};
var page = {
  online: () => navigator.onLine,
  hidden: () => document.hidden,
  watch(on) {
    const end = new AbortController();
    const listener = ({ type }) => {
      const what = EVENTS[type];
      on(what === "visible" && document.hidden ? "hidden" : what);
    };
    for (const type in EVENTS) addEventListener(type, listener, { capture: true, signal: end.signal });
    return () => end.abort();
  }
};

// src/numbers.ts
var APART = 250;
var SOON = 2e3;
var LATER = 5e3;
var MINUTE = 6e4;
var TOKEN = 1e4;
var DOUBT = 1e4;
var SHOWN = 30;
var SLEEP = 3e4;
var WAKE = 5e3;
var WAKING = 500;
var STORAGE = 2e3;
var AGAIN = 1e3;
var LOG = 1e4;
var REQUEST = 1e4;
var REFUSED = 3;
var UNKNOWN = 3;
var OPEN = 1;
var FOREVER = 1e9;

// src/backoff.ts
function jitter(n, random, { base = 1e3, cap = 3e4 } = {}) {
  return random * Math.min(cap, base * 2 ** n);
}
function pause(verdict, n, random, atLeast, backoff) {
  const own = guarded(() => backoff?.strategy?.(n));
  const wait = verdict === "retry-soon" ? random * SOON : own >= 0 ? own : jitter(n, random, backoff);
  return Math.max(atLeast, verdict === "retry-later" ? LATER : 0) + wait;
}

// src/closecodes.ts
var closeCodes = {
  closed: [1e3],
  retry: [1001, 1005, 1006, 1014, 1015, 4408],
  "retry-later": [1011, 1013],
  "retry-soon": [1012],
  failed: [4e3, 4004, 4404],
  expired: [4001, 4003, 4401],
  unauthorized: [4403]
};
function verdictOf(code) {
  for (const verdict in closeCodes) if (closeCodes[verdict].includes(code)) return verdict;
  return code < 3e3 ? "failed" : void 0;
}

// src/heartbeat.ts
function ping(m, timeout) {
  if (m.phase !== "up" || m.pings && !m.answers) return;
  m.do("ping");
  m.pinged = m.now;
  if (m.pings) m.at.pong = m.now + timeout;
}
function alive(m) {
  m.heard = m.now;
  m.at.pong = Infinity;
  m.at.beat = m.now + (m.heartbeat?.interval ?? 25e3);
}
function beat(m) {
  if (m.heartbeat !== false) ping(m, m.heartbeat?.timeout ?? 1e4);
}

// src/outbox.ts
function kept(queue, now, { messages = 100, bytes = 256 * 1024, age = 3e4 } = {}) {
  let sum = 0;
  const isKept = ({ size, at }, index) => (sum += size) <= bytes && index < messages && now - at < age;
  return [...queue].reverse().filter(isKept).reverse();
}

// src/recovery.ts
function miss(m, reason, since, isShared, detail, groups = null) {
  const before = m.missed ?? { groups: [], since };
  m.missed = {
    // A connection that comes back says less than what was known before.
    ...m.missed && /^re/.test(reason) ? m.missed : { reason, ...detail && { detail } },
    groups: before.groups && groups && [...new Set(before.groups.concat(groups))],
    since: Math.min(before.since, since),
    until: m.now
  };
  interrupt(m, "missed");
  if (isShared) m.at.recover = m.now + m.random * SOON;
  else recover(m);
}
function interrupt(m, recovery) {
  if (m.recovery === "recovering") m.do("abort");
  m.recovery = recovery;
  m.reruns = 0;
  m.at.recover = Infinity;
}
function recover(m) {
  if (m.recovery !== "missed" || !m.shown) return;
  m.recovery = "recovering";
  m.do("recover", m.missed);
}
function ran(m, ok) {
  m.recovery = "missed";
  if (ok) fresh(m);
  else if (ok !== null) m.at.recover = m.now + AGAIN + jitter(m.reruns++, m.random, m.backoff);
}
function fresh(m) {
  interrupt(m, "live");
  m.missed = null;
  m.lost = 0;
}
function notice(m, event, data) {
  const { v, node, id, reason, groups } = Object(data);
  if (event === "gap" && isText(reason) && /^\w+$/.test(reason) && (groups ?? []).every?.(isText)) miss(m, "gap", m.heard, true, reason, groups ?? null);
  if (event === "hello" && m.isNew && v === 1 && isText(node)) {
    m.node = node;
    m.id = id;
    m.answers = true;
  }
  m.isNew = false;
}
var isText = (value) => typeof value === "string";

// src/machine.ts
var IDLE = {
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
  drops: 0
};
var KEYS = Object.keys(IDLE);
var due = {
  linger(m) {
    for (const [key, one] of m.wanted) if (!one.users && m.wanted.delete(key) && m.phase === "up") m.do("tell", one, false);
    if (m.users === 0) leave(m);
  },
  connect(m) {
    closed(m, 0, "no answer", "retry", m.phase === "asking" ? "token" : "network");
  },
  pong(m, at) {
    const time = at - m.pinged;
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
  retry: attempt
};
var rules = {
  connect(m) {
    if (m.phase === "off") restart(m);
  },
  disconnect(m) {
    leave(m);
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
    m.at.connect = m.now + (m.connectTimeout ?? 2e4);
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
    m.at.stable = m.now + (m.stableAfter ?? 5e3);
    for (const one of m.wanted.values()) m.do("tell", one, true);
    for (const message of m.queue) m.do("send", message);
  },
  pong(m) {
    m.latency = m.now - m.pinged;
    m.pinged = 0;
    alive(m);
  },
  frame(m, event, data) {
    if (!m.shown) show(m);
    notice(m, event, data);
    alive(m);
  },
  closed,
  send(m, message) {
    if (m.phase === "up") m.do("send", message);
    if (!m.shown) enqueue(m, [...m.queue, message]);
  },
  unsent(m, message) {
    if (m.shown) enqueue(m, [...m.queue, message]);
  },
  want(m, kind, name, change) {
    const key = `${kind} ${name}`;
    const before = m.wanted.get(key);
    m.wanted.set(key, { kind, name, users: (before?.users ?? 0) + change });
    if (change < 0) m.at.linger = m.now + (m.linger ?? 0);
    else if (m.phase === "up" && !before) m.do("tell", { kind, name }, true);
  },
  ran,
  fresh,
  tick(m) {
    const isLate = deadline(m) < m.now - SLEEP;
    for (const name in due) {
      const at = m.at[name];
      if (at <= m.now) {
        m.at[name] = Infinity;
        due[name](m, at);
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
    if (m.phase !== "off") drop(m, "away");
  },
  back(m) {
    m.stored = m.phase === "away";
    if (m.stored) begin(m);
  },
  storage(m) {
    if (m.phase === "off" && m.end === "unauthorized") begin(m, m.tried + STORAGE);
  }
};
function initial(config) {
  const begun = {
    ...IDLE,
    ...config,
    view: IDLE,
    phase: "off",
    end: "idle",
    at: { linger: Infinity },
    wanted: /* @__PURE__ */ new Map(),
    queue: [],
    lost: 0,
    why: "first",
    tried: 0,
    hidden: 0,
    now: 0
  };
  return begun;
}
function step(state, [name, ...input], now, random) {
  const effects = [];
  const m = { ...state, at: { ...state.at }, now, random, do: (...effect) => effects.push(effect) };
  rules[name](m, ...input);
  look(m);
  return [m, effects];
}
function deadline(state) {
  return Math.min(...Object.values(state.at));
}
function look(m) {
  const status = m.shown ? "open" : m.end ?? (m.online === false ? "offline" : m.heard || m.reason ? "reconnecting" : "connecting");
  if (status !== m.status) m.since = m.now;
  m.status = status;
  m.retryAt = m.phase === "waiting" ? m.at.retry : null;
  m.queued = m.queue.length;
  if (KEYS.some((key) => m[key] !== m.view[key])) m.view = Object.freeze(Object.fromEntries(KEYS.map((key) => [key, m[key]])));
}
function restart(m) {
  m.attempt = m.odd = m.refused = m.doubt = 0;
  m.end = null;
  begin(m);
}
function begin(m, at = 0) {
  drop(m, "waiting");
  const next = Math.max(at, m.tried + APART);
  if (next > m.now) m.at.retry = next;
  else attempt(m);
}
function attempt(m) {
  m.phase = "asking";
  m.tried = m.now;
  m.at.connect = m.now + TOKEN;
  m.do("ask", m.why);
}
function drop(m, phase) {
  m.do("drop");
  m.phase = phase;
  m.shown = false;
  m.pinged = 0;
  m.at = { linger: m.at.linger };
  enqueue(m, m.queue);
}
function stop(m, end) {
  m.end = end;
  drop(m, "off");
}
function leave(m) {
  m.users ||= void 0;
  if (m.missed) interrupt(m, "missed");
  stop(m, "closed");
}
function show(m) {
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
function closed(m, code, text, said, kind = code === 1006 ? "network" : "closed", after) {
  const verdict = m.closeCodes?.[code] ?? said ?? verdictOf(code) ?? (m.odd++ < UNKNOWN ? "retry" : "failed");
  if (m.shown) m.drops += 1;
  if (m.phase === "opening") {
    m.why = "refused";
    m.refused += 1;
    if (m.refused >= REFUSED) {
      kind = "refused";
      text = `check url, token, origins ${text}`;
    }
  }
  m.reason = { kind, ...code && { code }, text };
  drop(m, "waiting");
  if (code === 1013 && m.heard) miss(m, "gap", m.heard, false, text);
  if (verdict.startsWith("retry")) retry(m, verdict, after || 0);
  else if (verdict === "expired" && m.now >= m.doubt) {
    m.doubt = Infinity;
    m.why = "expired";
    begin(m);
  } else stop(m, verdict === "expired" ? "unauthorized" : verdict);
}
function retry(m, verdict, after) {
  const { attempts = Infinity, giveUp } = m.backoff ?? {};
  const isFailure = verdict !== "retry-soon";
  const isSpent = isFailure && m.attempt >= attempts;
  if (isSpent && giveUp) return stop(m, "failed");
  const wait = isSpent ? Math.max(MINUTE, after) : pause(verdict, m.attempt, m.random, after, m.backoff);
  if (isFailure && !isSpent) m.attempt += 1;
  m.end = isSpent ? "failed" : null;
  begin(m, Math.max(m.now + wait, m.hidden && m.tried + MINUTE));
}
function wake(m) {
  ping(m, WAKE);
  if (m.phase === "waiting" && !m.hidden) begin(m, Math.min(m.at.retry, m.now + m.random * WAKING));
}
function enqueue(m, messages, allowed = m.end === "unauthorized" ? [] : kept(messages, m.now, m.outbox)) {
  m.queue = m.phase === "up" ? messages : allowed;
  const count = messages.length - m.queue.length;
  if (!count) return;
  m.lost += count;
  const text = `${m.lost} messages were not sent`;
  if (!(m.now < m.logged + LOG)) {
    m.logged = m.now;
    m.do("lost", text);
  }
  miss(m, "outbox", messages[0].at, false, text);
}

// src/token.ts
var Unauthorized = class extends Error {
};
function wsToken(url = "/api/user/ws-token/", { authorization, field = "ws_token", ...how } = {}) {
  return async ({ signal }) => {
    const header = authorization?.();
    const response = await fetch(url, { ...how, signal, cache: "no-store", headers: header ? { Authorization: header } : {} });
    const { status } = response;
    const text = `${url}: ${status}`;
    if (status === 401 || status === 403) throw new Unauthorized(text);
    const after = response.headers.get("Retry-After") ?? "";
    if (!response.ok) throw Object.assign(new Error(text), { after: +after * 1e3 || Date.parse(after) - Date.now() });
    return (await response.json())[field] ?? null;
  };
}

// src/dialect.ts
function read(frame) {
  const { event, type, data } = Object(frame);
  return typeof event === "string" ? { event, data } : { event: typeof type === "string" ? type : "", data: frame };
}
function interest(kind, name, wanted) {
  const event = kind === "room" ? wanted ? "join" : "leave" : wanted ? "subscribe" : "unsubscribe";
  return { event, data: { [kind]: name } };
}
var typed = {
  read,
  // The name of the message counts, whatever the data has under this key; it is also the first one.
  write: (event, data) => Object.assign({ type: event }, typeof data === "object" && !Array.isArray(data) ? data : { data }, { type: event }),
  interest
};
var enveloped = { read, write: (event, data) => ({ event, data }), interest };
var isOfTopic = (topic, name) => `_${topic}_`.includes(`_${name}_`);
function notifications() {
  const asked = /* @__PURE__ */ new Map();
  return {
    read(frame) {
      const { topic } = Object(frame);
      const reasons = typeof topic === "string" ? [...asked].filter(([name]) => isOfTopic(topic, name)) : [];
      return reasons.length && !reasons.some(([, isWanted]) => isWanted) ? null : read(frame);
    },
    write: (event, data) => typed.write(event, data),
    interest(kind, name, wanted) {
      if (kind === "room") return interest(kind, name, wanted);
      if (wanted && asked.get(name)) asked.clear();
      asked.set(name, wanted);
      return wanted ? { event: "subscribe", data: { notification_types: [name] } } : null;
    }
  };
}

// src/websocket.ts
function webSocket(options = {}) {
  return {
    tokenIn: "query",
    dialect: typed,
    anywhere: !!options.WebSocket,
    open({ url, token, tokenIn }, events) {
      const protocols = [];
      const address = new URL(url.href.replace(/^http/, "ws"));
      address.searchParams.set("cg", "1");
      if (token !== null) {
        if (tokenIn === "subprotocol") protocols.push("access_token", token);
        else address.searchParams.set("token", token);
      }
      const socket = new (options.WebSocket ?? WebSocket)(address.href, protocols);
      socket.onopen = () => events.opened();
      socket.onmessage = ({ data }) => events.frame(parsed(data));
      socket.onclose = ({ code, reason }) => events.closed({ code, text: reason });
      socket.onerror = () => void 0;
      return {
        send(frame) {
          const isOpen = socket.readyState === OPEN;
          if (isOpen) socket.send(JSON.stringify(frame));
          return isOpen;
        },
        ping: () => socket.send("ping"),
        close: (code) => socket.close(code)
      };
    }
  };
}
function parsed(content) {
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}

// src/client.ts
function createClient(options = {}, { now = Date.now, random = Math.random, later = setTimeout, cancel = clearTimeout } = {}) {
  const {
    transport = webSocket(),
    dialect = transport.dialect,
    url = "/",
    tokenIn = transport.tokenIn,
    // A server renders pages, and keeps no connection for them.
    lifecycle = globalThis.document ? page : void 0
  } = options;
  const isInert = !lifecycle && !transport.anywhere;
  let { token, log } = options;
  try {
    if (localStorage["channelgate"] === "debug") log ??= console.debug;
  } catch {
  }
  const listeners = /* @__PURE__ */ new Set();
  const handlers = /* @__PURE__ */ new Set();
  const loaders = /* @__PURE__ */ new Set();
  let state = initial(options);
  let connection = null;
  let asking;
  let loading;
  let timer;
  let awaited;
  let line;
  let unwatch;
  let ahead = 0;
  const time = () => now() + (ahead = Math.max(ahead, state.now - now()));
  const effects = {
    ask,
    drop() {
      asking?.abort();
      connection?.close(1e3);
      connection = null;
    },
    ping: () => connection?.ping ? connection.ping() : connection?.check?.(),
    send(message) {
      if (write(message.event, message.data) === false) input("unsent", message);
    },
    tell({ kind, name }, wanted) {
      const message = guarded(() => dialect.interest(kind, name, wanted));
      if (message) write(message.event, message.data);
    },
    abort: () => loading?.abort(),
    recover(missed) {
      if (!loaders.size) return input("ran", null);
      const { signal } = loading = new AbortController();
      void Promise.allSettled([...loaders].map(async ([loader]) => loader?.(missed, signal))).then((results) => {
        const failed = results.find((result) => "reason" in result);
        if (failed) log?.("onMissed failed", failed);
        if (!signal.aborted) input("ran", !failed);
      });
    },
    lost: (text) => (log ?? console.warn)(`channelgate: ${text}`)
  };
  function input(...what) {
    if (isInert) return;
    const { view } = state;
    const [next, todo] = step(state, what, time(), random());
    state = next;
    if (/idle|closed/.test(state.status)) unwatch = unwatch?.();
    else if (!unwatch) {
      unwatch = lifecycle?.watch(input);
      const online = lifecycle?.online() ?? null;
      if (online !== null) input(online ? "online" : "offline");
      if (lifecycle?.hidden()) input("hidden");
    }
    if (line !== (line = `channelgate: ${state.status}, ${state.recovery}`)) guarded(() => log?.(line, state.view));
    for (const [name, ...rest] of todo) effects[name](...rest);
    const at = deadline(state);
    if (at !== awaited) {
      cancel(timer);
      awaited = at;
      const tick = () => {
        awaited = void 0;
        input("tick");
      };
      if (at < Infinity) timer = later(tick, Math.min(at - time(), FOREVER));
    }
    if (state.view !== view) for (const [listener] of [...listeners]) guarded(() => listener?.());
  }
  async function ask(why) {
    const { signal } = asking = new AbortController();
    const mine = (...what) => signal.aborted || input(...what);
    try {
      const given = typeof token === "function" ? await token({ attempt: state.attempt, why, signal }) : token;
      const address = typeof url === "function" ? await url() : url;
      if (given === null) throw new Unauthorized("no token");
      if (mine("ready")) return;
      const opening = connection = transport.open(
        { url: new URL(address, globalThis.document?.baseURI), token: given || null, tokenIn },
        {
          opened: (known) => mine("opened", !!opening.ping, known),
          frame: (frame) => signal.aborted || receive(frame),
          closed: ({ code, text, verdict }) => mine("closed", code, text, verdict)
        }
      );
    } catch (error) {
      const { message = String(error), after } = Object(error);
      if (state.phase === "opening") mine("closed", 0, "invalid url or token", "failed", "config");
      else mine("closed", 0, message, error instanceof Unauthorized ? "unauthorized" : "retry", "token", after);
    }
  }
  function receive(frame) {
    if (frame === "pong" && state.pinged) return input("pong");
    const { event, data } = guarded(() => dialect.read(frame)) ?? {};
    input("frame", event, data);
    if (event === void 0) return;
    for (const [name, handler] of [...handlers]) if (name === event || name === "*") guarded(() => handler(data, { event, frame, at: state.heard }));
  }
  function write(event, data) {
    return guarded(() => connection?.send(dialect.write(event, data)));
  }
  function held(...what) {
    let isHeld = true;
    input(...[...what, 1]);
    return () => {
      if (!isHeld) return;
      isHeld = false;
      input(...[...what, -1]);
    };
  }
  return {
    snapshot: () => state.view,
    subscribe: (listener) => added(listeners, [listener]),
    acquire: () => held("acquire"),
    connect: () => input("connect"),
    disconnect: () => input("disconnect"),
    reconnect: (why) => input("reconnect", why),
    setToken(other) {
      token = other;
      input("token");
    },
    on: (event, handler) => added(handlers, [event, handler]),
    onMissed(handler) {
      if (state.recovery === "missed") input("ran", false);
      return added(loaders, [handler]);
    },
    fresh: () => input("fresh"),
    want: (kind, name) => held("want", kind, name),
    send(event, data, { volatile = false } = {}) {
      const isUp = state.phase === "up";
      if (volatile || isInert) return isUp && write(event, data) ? "sent" : "dropped";
      const message = { event, data, size: JSON.stringify([event, data]).length, at: time() };
      input("send", message);
      return state.queue.includes(message) ? "queued" : isUp ? "sent" : "dropped";
    },
    request: (event, data, { timeout = REQUEST, signal } = {}) => connection?.request?.(event, data, timeout, signal) ?? Promise.reject(new Disconnected("no connection"))
  };
}
function added(set, item) {
  set.add(item);
  return () => {
    set.delete(item);
    item.length = 0;
  };
}

// scripts/static.ts
function connect(url, options = {}) {
  const client = createClient({ ...options, url });
  client.connect();
  return client;
}
export {
  Disconnected,
  IDLE,
  TimedOut,
  Unauthorized,
  connect,
  createClient,
  enveloped,
  notifications,
  typed,
  webSocket,
  wsToken
};
