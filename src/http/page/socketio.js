// The way to open a Socket.IO connection with the official client: what a project's own page would do, with its packets counted.

import { refused } from "./connection.js";
import { closeMeaning, hexadecimal } from "./text.js";
import { io } from "./vendor/socket.io.esm.min.js";

/** An acknowledgement that has not come after this many ms is reported as missing. */
const PATIENCE = 5_000;

/** Refusals that pass. */
const PASSING = new Set(["Service unavailable", "too many connections of this user"]);

/**
 * Opens connections to one namespace, each of its own (`forceNew`) and with the token that `makeToken` resolves with; `place`
 * gives its path and the namespace. Tries
 * are counted and spaced by `Connection`, so the client's own reconnection is off. The link has `emit(event, args, asks)`.
 */
export const dialSocketIo = ({ place, transports, makeToken }) => async (events) => {
  const token = await makeToken();
  const { path, namespace } = place();
  const socket = io(namespace, {
    path,
    // Without polling first: one request instead of four, where the node allows it.
    transports: transports.includes("websocket") ? ["websocket"] : transports,
    auth: token ? { token } : {},
    addTrailingSlash: path.endsWith("/"),
    forceNew: true,
    reconnection: false,
  });
  const sizes = new Sizes();
  let reached = false;
  socket.io.on("open", () => {
    reached = true;
    socket.io.engine.on("packet", ({ type, data }) => type === "message" && sizes.count(data));
  });
  socket.on("connect", () => events.open());
  socket.on("connect_error", ({ message }) => {
    if (!reached) return void refused(events);
    socket.disconnect();
    const ending = `Refused by the namespace: ${message}`;
    (PASSING.has(message) ? events.lost : events.ended)(ending);
  });
  socket.on("disconnect", (reason, details) => {
    const code = details?.context?.code;
    if (reason === "io server disconnect") events.ended("Disconnected by the node");
    else events.lost(code ? `Closed ${code}, ${closeMeaning(code)}` : `Connection lost: ${reason}`);
  });
  socket.onAny((event, ...args) => {
    const answer = typeof args.at(-1) === "function" ? args.pop() : undefined;
    events.frame("in", { event, data: write(args), size: sizes.nextEvent() });
    if (!answer) return;
    // Sent by a handler with `expect`.
    answer({ ok: true });
    events.frame("out", { event, acknowledges: true, ...measured([{ ok: true }]) });
  });
  return {
    emit(event, args, asks) {
      if (!asks) {
        socket.emit(event, ...args);
        events.frame("out", { event, ...measured(args) });
        return;
      }
      const start = performance.now();
      const timer = setTimeout(() => {
        events.frame("note", { data: `No acknowledgement of “${event}” within ${PATIENCE / 1000} s` });
      }, PATIENCE);
      socket.emit(event, ...args, (...answer) => {
        clearTimeout(timer);
        events.frame("in", {
          event, acknowledges: true, data: write(answer), size: sizes.nextAcknowledgement(), latency: performance.now() - start,
        });
      });
      events.frame("out", { event, asks: true, ...measured(args) });
    },
    close: () => socket.disconnect(),
  };
};

/** The sizes of events and acknowledgements with their attachments, in bytes, in the order in which the client reports them. */
class Sizes {
  #events = [];
  #acknowledgements = [];
  /** The packet whose attachments are awaited: `{ size, attachments, queue }`. */
  #open;

  /** Counts a message of Engine.IO: a Socket.IO packet or an attachment. */
  count(data) {
    if (typeof data === "string") {
      const [, type, attachments] = /^([0-6])(?:(\d+)-)?/.exec(data) ?? [];
      const queue = { 2: this.#events, 3: this.#acknowledgements, 5: this.#events, 6: this.#acknowledgements }[type];
      this.#open = { size: new Blob([data]).size, attachments: Number(attachments ?? 0), queue };
    } else if (this.#open) {
      this.#open.size += data.byteLength ?? data.size ?? 0;
      this.#open.attachments -= 1;
    }
    if (this.#open?.attachments === 0) {
      this.#open.queue?.push(this.#open.size);
      this.#open = undefined;
    }
  }

  nextEvent() {
    return this.#events.shift() ?? 0;
  }

  nextAcknowledgement() {
    return this.#acknowledgements.shift() ?? 0;
  }
}

/** Arguments as JSON: one alone without its list, and bytes as text. */
function write(args) {
  if (args.length === 0) return "";
  const readable = (_, value) => (value instanceof ArrayBuffer ? hexadecimal(value) : value);
  return JSON.stringify(args.length === 1 ? args[0] : args, readable);
}

function measured(args) {
  const data = write(args);
  return { data, size: new Blob([data]).size };
}
