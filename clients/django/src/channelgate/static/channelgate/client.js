/**
 * A WebSocket to Channelgate (or to Daphne) that stays: it reconnects, and says when events may be missing.
 *
 *     import { connect } from "@channelgate/client";
 *     const client = connect("/ws/orders/7/");
 *     client.on("order.status", (event) => show(event.status));
 *     client.onMissed(() => reload());
 *
 * Names and behaviour are those of the npm package of this name, of which this is the smaller part without a build.
 *
 * @module
 */

/** @typedef {"idle" | "connecting" | "open" | "reconnecting" | "unauthorized" | "failed" | "closed"} Status */
/** @typedef {"closed" | "retry" | "failed" | "unauthorized" | "expired"} Verdict */
/** @typedef {{ attempt: number, why: "first" | "retry" | "expired" | "refused", signal: AbortSignal }} TokenContext */
/** @typedef {string | null | ((context: TokenContext) => string | null | Promise<string | null>)} Token */
/** @typedef {"room" | "topic"} Kind */
/**
 * Why something may be missing: `reconnected` or `gap`, the groups if the server names them, and between which times.
 * @typedef {{ reason: "reconnected" | "gap", detail?: string, groups: readonly string[] | null, since: number, until: number }} Missed
 */
/**
 * What a page can show. It stays the same object until something changes.
 * @typedef {{ status: Status, missed: Missed | null, attempt: number, retryAt: number | null, reason: { code: number, text: string } | null }} Snapshot
 */
/** @typedef {{ event: string, data: any }} Named */
/**
 * @typedef {object} Options
 * @property {string | URL} [url] Where to connect; relative to this page. `http` becomes `ws`.
 * @property {Token} [token] A token, or a function that fetches one for each attempt. Without it cookies count.
 * @property {"query" | "subprotocol"} [tokenIn] Where the token goes: `?token=` (default), or a subprotocol.
 * @property {(frame: any) => Named} [read] Name and data of a frame, if not `{type, …}` or `{event, data}`.
 * @property {(event: string, data: any) => unknown} [write] The frame of a message. Default: `{type: event, …data}`.
 * @property {(kind: Kind, name: string, wanted: boolean) => Named} [interest] The message that joins or leaves a room,
 *     or subscribes to a topic. Default: `join` and `leave` with `{room}`, `subscribe` and `unsubscribe` with `{topic}`.
 * @property {Record<number, Verdict>} [closeCodes] What close codes of the application mean.
 */

/** Milliseconds. */
const BASE = 1_000, CAP = 30_000, SOON = 2_000, BUSY = 5_000, APART = 250, HIDDEN = 60_000;
const SHOWN = 30, STABLE = 5_000, CONNECT = 20_000, TOKEN = 10_000, TWICE = 10_000;
/** Attempts after a close code of the application that nothing is said about. */
const UNKNOWN = 3;

/** Thrown by a token function if there is no login: the client does not try again. */
export class Unauthorized extends Error {}

/**
 * Connects at once.
 * @param {string | URL} url
 * @param {Options} [options]
 */
export function connect(url, options = {}) {
  const client = createClient({ ...options, url });
  client.connect();
  return client;
}

/**
 * A client that connects when `connect()` is called.
 * @param {Options} [options]
 */
export function createClient(options = {}) {
  return new Client(options);
}

/**
 * A token function for `createClient`: fetches a ws-token from Django with the cookies of the page.
 * @param {string} [url]
 * @param {{ field?: string, authorization?: () => string | null, credentials?: RequestCredentials }} [how]
 * @returns {(context: TokenContext) => Promise<string | null>}
 */
export function wsToken(url = "/api/user/ws-token/", { field = "ws_token", authorization, credentials = "same-origin" } = {}) {
  return async ({ signal }) => {
    const header = authorization?.();
    const response = await fetch(url, { signal, credentials, cache: "no-store", headers: header ? { Authorization: header } : {} });
    if (response.status === 401 || response.status === 403) throw new Unauthorized(`${url} answered ${response.status}`);
    if (!response.ok) throw Object.assign(new Error(`${url} answered ${response.status}`), { after: Number(response.headers.get("Retry-After")) * 1_000 });
    return (await response.json())[field] ?? null;
  };
}

class Client {
  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  #options;
  /** @type {Snapshot} */
  #snapshot = { status: "idle", missed: null, attempt: 0, retryAt: null, reason: null };
  /** @type {WebSocket | null} */
  #socket = null;
  /** Which connection callbacks belong to: those of an older one do nothing. */
  #turn = 0;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {Map<string, Set<(data: any, meta: { event: string, frame: unknown }) => void>>} */
  #handlers = new Map();
  /** @type {Set<(missed: Missed, signal: AbortSignal) => void | Promise<void>>} */
  #onMissed = new Set();
  /** @type {Map<string, { kind: Kind, name: string, count: number }>} */
  #wanted = new Map();
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  /** @type {AbortController | null} */
  #reload = null;
  #failures = 0;
  #unknown = 0;
  #lastAttempt = -Infinity;
  #lastExpired = -Infinity;
  #lastFrame = 0;
  #wasOpen = false;
  /** @type {TokenContext["why"]} */
  #why = "first";
  /** @type {(() => void) | null} */
  #unwatch = null;

  /** What the client does at the moment. */
  snapshot() {
    return this.#snapshot;
  }

  /**
   * Calls the listener whenever the snapshot changes; returns a function that ends this.
   * @param {() => void} listener
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Handles events with this name, `"*"` all of them; returns a function that ends this.
   * @param {string} event
   * @param {(data: any, meta: { event: string, frame: unknown }) => void} handler
   */
  on(event, handler) {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /**
   * Handles the moments after which events may be missing: load the state anew. The signal is aborted when there is
   * another such moment meanwhile. A handler that fails is called again after a pause.
   * @param {(missed: Missed, signal: AbortSignal) => void | Promise<void>} handler
   */
  onMissed(handler) {
    this.#onMissed.add(handler);
    return () => void this.#onMissed.delete(handler);
  }

  /**
   * Joins a room, or subscribes to a topic, now and after each reconnect; returns a function that takes this back.
   * @param {Kind} kind
   * @param {string} name
   */
  want(kind, name) {
    const key = `${kind} ${name}`;
    const wanted = this.#wanted.get(key) ?? { kind, name, count: 0 };
    this.#wanted.set(key, wanted);
    if (++wanted.count === 1) this.#tell(wanted, true);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      if (--wanted.count > 0) return;
      this.#wanted.delete(key);
      this.#tell(wanted, false);
    };
  }

  /**
   * Sends a message, if the connection is open.
   * @param {string} event
   * @param {any} [data]
   * @returns {"sent" | "dropped"}
   */
  send(event, data) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return "dropped";
    const write = this.#options.write ?? ((type, rest) => ({ type, ...rest }));
    this.#socket.send(JSON.stringify(write(event, data)));
    return "sent";
  }

  /** Connects, and from now on stays connected. */
  connect() {
    if (typeof WebSocket === "undefined" || this.#isTrying()) return;
    this.#unwatch ??= this.#watch();
    this.#failures = this.#unknown = 0;
    void this.#attempt("connecting");
  }

  #isTrying() {
    return ["connecting", "open", "reconnecting"].includes(this.#snapshot.status);
  }

  /** Tries again at once, also after `failed` and `unauthorized`: after a login, for instance. */
  reconnect() {
    this.disconnect();
    this.connect();
  }

  /** Ends the connection for good. */
  disconnect() {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#reload?.abort();
    this.#drop(1000);
    if (this.#snapshot.status !== "idle") this.#set({ status: "closed", retryAt: null });
  }

  /** @param {"connecting" | "reconnecting"} status */
  async #attempt(status) {
    this.#drop(1000);
    const turn = this.#turn;
    this.#lastAttempt = Date.now();
    this.#set({ status, retryAt: null });
    /** @type {string | undefined} */
    let token;
    try {
      token = await this.#token();
      if (turn !== this.#turn) return;
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof Unauthorized) this.#end("unauthorized", 0, error.message);
      else this.#retry(0, String(error), /** @type {{ after?: number } | undefined} */ (error)?.after || 0);
      return;
    }
    this.#lastAttempt = Date.now();
    let socket;
    try {
      socket = this.#made(token);
    } catch (error) {
      // An address or a token that no browser takes stays one. The error may quote the token.
      this.#end("failed", 0, `no WebSocket can be made of this url and token (${/** @type {Error} */ (error).name})`);
      return;
    }
    this.#open(socket, turn);
  }

  /** @param {string | undefined} token */
  #made(token) {
    const url = new URL(this.#options.url ?? "/", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    // Asks consumers with a notice of gaps for it.
    url.searchParams.set("cg", "1");
    if (token !== undefined && this.#options.tokenIn === "subprotocol") return new WebSocket(url, ["access_token", token]);
    if (token !== undefined) url.searchParams.set("token", token);
    return new WebSocket(url);
  }

  /** The token of an attempt; undefined if there is none to be shown. */
  async #token() {
    const { token } = this.#options;
    if (token === undefined) return undefined;
    const signal = AbortSignal.timeout(TOKEN);
    const context = { attempt: this.#failures, why: this.#why, signal };
    const late = new Promise((_, reject) => void signal.addEventListener("abort", () => reject(new Error("the token took too long"))));
    const found = await Promise.race([typeof token === "function" ? token(context) : token, late]);
    if (typeof found !== "string") throw new Unauthorized("there is no token");
    return found;
  }

  /**
   * @param {WebSocket} socket
   * @param {number} turn
   */
  #open(socket, turn) {
    this.#socket = socket;
    const isMine = () => turn === this.#turn;
    const tooLong = this.#later(CONNECT, () => this.#closed(1006, "the handshake took too long", false));
    let opened = false;
    /** @type {(() => void) | null} */
    let show = null;
    socket.onopen = () => {
      if (!isMine()) return;
      opened = true;
      const since = this.#lastFrame;
      this.#lastFrame = Date.now();
      this.#cancel(tooLong);
      for (const wanted of this.#wanted.values()) reported(() => this.#tell(wanted, true));
      // A server that refuses accepts and closes within a moment; a page must not blink. A frame is a sign that it does not.
      const shown = this.#later(SHOWN, () => show?.());
      show = () => {
        show = null;
        this.#cancel(shown);
        this.#opened(since);
      };
      this.#later(STABLE, () => {
        this.#failures = this.#unknown = 0;
        this.#set({ attempt: 0 });
      });
    };
    socket.onmessage = ({ data }) => {
      if (!isMine()) return;
      show?.();
      this.#frame(data);
    };
    socket.onclose = ({ code, reason }) => isMine() && this.#closed(code, reason, opened);
  }

  /** @param {number} since When the last frame came before this connection. */
  #opened(since) {
    const again = this.#wasOpen;
    const shared = this.#snapshot.reason?.code === 1012;
    this.#wasOpen = true;
    this.#why = "retry";
    this.#set({ status: "open", reason: null });
    if (again) this.#miss({ reason: "reconnected", groups: null, since, until: Date.now() }, shared);
  }

  /** @param {unknown} content */
  #frame(content) {
    let frame = content;
    try {
      if (typeof content === "string") frame = JSON.parse(content);
    } catch {
      // Text that is not JSON is handed over as it is.
    }
    const { event, data } = (this.#options.read ?? read)(frame);
    if (event === "gap") this.#miss({ reason: "gap", detail: data?.reason, groups: data?.groups ?? null, since: this.#lastFrame, until: Date.now() }, true);
    this.#lastFrame = Date.now();
    for (const name of [event, "*"]) {
      for (const handler of this.#handlers.get(name) ?? []) reported(() => handler(data, { event, frame }));
    }
  }

  /**
   * @param {number} code
   * @param {string} text
   * @param {boolean} opened
   */
  #closed(code, text, opened) {
    const verdict = this.#options.closeCodes?.[code] ?? this.#verdict(code);
    this.#why = opened ? "retry" : "refused";
    this.#drop(1000);
    if (verdict === "retry") this.#retry(code, text, 0);
    else if (verdict !== "expired") this.#end(verdict, code, text);
    else if (Date.now() - this.#lastExpired < TWICE || this.#options.token === undefined) this.#end("unauthorized", code, text);
    else {
      this.#lastExpired = Date.now();
      this.#why = "expired";
      this.#set({ reason: { code, text } });
      void this.#attempt("reconnecting");
    }
  }

  /**
   * What a close code means.
   * @param {number} code
   * @returns {Verdict}
   */
  #verdict(code) {
    if (code === 1000) return "closed";
    if ([1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 4408].includes(code)) return "retry";
    if ([4001, 4003, 4401].includes(code)) return "expired";
    if (code === 4403) return "unauthorized";
    if (code < 3000 || [4000, 4004, 4404].includes(code)) return "failed";
    return ++this.#unknown > UNKNOWN ? "failed" : "retry";
  }

  /**
   * Waits with full jitter, so that a thousand pages do not come back together.
   * @param {number} code
   * @param {string} text
   * @param {number} atLeast
   */
  #retry(code, text, atLeast) {
    const isDrain = code === 1012;
    const random = Math.random() * (isDrain ? SOON : Math.min(CAP, BASE * 2 ** this.#failures));
    if (!isDrain) this.#failures += 1;
    let wait = Math.max(random, atLeast, code === 1011 || code === 1013 ? BUSY : 0, this.#lastAttempt + APART - Date.now());
    if (document.hidden) wait = Math.max(wait, HIDDEN);
    this.#later(wait, () => void this.#attempt("reconnecting"));
    this.#set({ status: "reconnecting", attempt: this.#failures, retryAt: Date.now() + wait, reason: { code, text } });
  }

  /**
   * @param {"closed" | "failed" | "unauthorized"} status
   * @param {number} code
   * @param {string} text
   */
  #end(status, code, text) {
    this.#drop(1000);
    this.#set({ status, retryAt: null, reason: { code, text } });
  }

  /**
   * @param {Missed} missed
   * @param {boolean} shared Whether other pages miss the same, and would all load it in the same second.
   */
  #miss(missed, shared) {
    this.#reload?.abort();
    const reload = (this.#reload = new AbortController());
    this.#set({ missed });
    /** @param {number} pause */
    const run = async (pause) => {
      await new Promise((resolve) => void setTimeout(resolve, pause));
      if (reload.signal.aborted) return;
      const results = await Promise.allSettled([...this.#onMissed].map(async (handler) => handler(missed, reload.signal)));
      if (reload.signal.aborted) return;
      if (results.some(({ status }) => status === "rejected")) void run(Math.random() * BUSY + BASE);
      else if (this.#onMissed.size > 0) this.#set({ missed: null });
    };
    void run(shared ? Math.random() * SOON : 0);
  }

  /**
   * @param {{ kind: Kind, name: string }} what
   * @param {boolean} wanted
   */
  #tell({ kind, name }, wanted) {
    const { event, data } = (this.#options.interest ?? interest)(kind, name, wanted);
    this.send(event, data);
  }

  /** Reacts to the page: it wakes, the network is back, it is put aside. */
  #watch() {
    const wake = () => {
      if (this.#snapshot.retryAt === null || document.hidden) return;
      this.#clear();
      this.#later(Math.max(Math.random() * 500, this.#lastAttempt + APART - Date.now()), () => void this.#attempt("reconnecting"));
    };
    // A page with an open socket cannot be kept for the way back.
    const hide = () => this.#isTrying() && this.#drop(1000);
    const show = (/** @type {PageTransitionEvent} */ { persisted }) => {
      if (persisted && this.#isTrying()) void this.#attempt("reconnecting");
    };
    addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    addEventListener("pagehide", hide);
    addEventListener("pageshow", show);
    return () => {
      removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      removeEventListener("pagehide", hide);
      removeEventListener("pageshow", show);
    };
  }

  /**
   * Ends the connection and whatever waits.
   * @param {number} code
   */
  #drop(code) {
    this.#turn += 1;
    this.#clear();
    this.#socket?.close(code);
    this.#socket = null;
  }

  /** @param {Partial<Snapshot>} change */
  #set(change) {
    this.#snapshot = Object.freeze({ ...this.#snapshot, ...change });
    for (const listener of [...this.#listeners]) reported(listener);
  }

  /**
   * @param {number} ms
   * @param {() => void} then
   */
  #later(ms, then) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  /** @param {ReturnType<typeof setTimeout>} timer */
  #cancel(timer) {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  #clear() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

/**
 * Calls a function of the page, whose errors are reported: they take nothing from other functions, nor stop the client.
 * @param {() => void} call
 */
function reported(call) {
  try {
    call();
  } catch (error) {
    reportError(error);
  }
}

/**
 * `{event, data}`, or `{type, …}` whose data is the whole frame.
 * @param {any} frame
 * @returns {Named}
 */
function read(frame) {
  if (typeof frame?.event === "string" && "data" in frame) return { event: frame.event, data: frame.data };
  return { event: typeof frame?.type === "string" ? frame.type : "", data: frame };
}

/**
 * @param {Kind} kind
 * @param {string} name
 * @param {boolean} wanted
 * @returns {Named}
 */
function interest(kind, name, wanted) {
  if (kind === "room") return { event: wanted ? "join" : "leave", data: { room: name } };
  return { event: wanted ? "subscribe" : "unsubscribe", data: { topic: name } };
}
