// One connection that comes back by itself, and the way to open a plain WebSocket. It knows states, close codes and waiting;
// nothing of what frames mean.

import { backoff, closeMeaning, mayReconnect } from "./text.js";

/**
 * States: `closed`, `connecting`, `open`, `waiting` (for the next try).
 * Events: `state`, and `frame` with `detail: { direction: "in" | "out" | "note", data, size, at, clock, … }`.
 */
export class Connection extends EventTarget {
  state = "closed";
  /** What the last end of the connection was, for people; empty before the first. */
  ending = "";
  /** The number of the try under way or waited for; 0 while all is well. */
  attempt = 0;
  retryAt = 0;
  received = 0;
  sent = 0;
  bytesIn = 0;
  #dial;
  #link;
  #timer;
  /** Which try is the current one; what an older one reports is thrown away. */
  #generation = 0;

  /**
   * `dial(events)` begins one try and resolves with a link that has `close()`; it throws `TypeError` (as fetch does) when the
   * node cannot be reached. `events`: `open()`, `frame(direction, { data, size, … })`, `lost(ending)` when another try makes
   * sense, and `ended(ending)` when it does not.
   */
  constructor(dial) {
    super();
    this.#dial = dial;
  }

  /** What sends, while the connection is open. */
  get link() {
    return this.state === "open" ? this.#link : undefined;
  }

  connect() {
    if (this.state === "open" || this.state === "connecting") return;
    this.attempt = 0;
    void this.#open();
  }

  disconnect() {
    this.#generation += 1;
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#link = undefined;
    this.attempt = 0;
    if (this.state === "open") this.ending = "Closed by you, 1000 normal end";
    else if (this.state !== "closed") this.ending = "Stopped by you";
    this.#become("closed");
  }

  async #open() {
    const generation = ++this.#generation;
    clearTimeout(this.#timer);
    this.#become("connecting");
    const current = (act) => (...given) => generation === this.#generation && act(...given);
    const events = {
      open: current(() => {
        this.attempt = 0;
        this.ending = "";
        this.#become("open");
      }),
      frame: current((direction, frame) => this.#frame(direction, frame)),
      lost: current((ending) => this.#wait(ending)),
      ended: current((ending) => this.#end(ending)),
    };
    try {
      const link = await this.#dial(events);
      if (generation === this.#generation) this.#link = link;
      else link.close();
    } catch (error) {
      if (error instanceof TypeError) events.lost("The node cannot be reached");
      else events.ended(error.message);
    }
  }

  #wait(ending) {
    this.#link = undefined;
    this.ending = ending;
    this.attempt += 1;
    const delay = backoff(this.attempt);
    this.retryAt = performance.now() + delay;
    this.#timer = setTimeout(() => void this.#open(), delay);
    this.#become("waiting");
  }

  #end(ending) {
    this.#link = undefined;
    this.ending = ending;
    this.attempt = 0;
    this.#become("closed");
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  #frame(direction, frame) {
    if (direction === "in") {
      this.received += 1;
      this.bytesIn += frame.size;
    } else if (direction === "out") {
      this.sent += 1;
    }
    const detail = { direction, ...frame, at: new Date(), clock: performance.now() };
    this.dispatchEvent(new CustomEvent("frame", { detail }));
  }
}

/** Opens plain WebSockets to the URL that `makeUrl` resolves with. The link has `send(data)`. */
export const dialPlain = (makeUrl) => async (events) => {
  const socket = new WebSocket(await makeUrl());
  socket.binaryType = "arraybuffer";
  let opened = false;
  const frame = (direction, data) => {
    const size = typeof data === "string" ? new Blob([data]).size : data.byteLength;
    events.frame(direction, { data, size });
  };
  socket.onopen = () => {
    opened = true;
    events.open();
  };
  socket.onmessage = ({ data }) => frame("in", data);
  socket.onclose = async ({ code, reason }) => {
    const ending = `Closed ${code}, ${closeMeaning(code)}${reason ? `: ${reason}` : ""}`;
    if (opened) (mayReconnect(code) ? events.lost : events.ended)(ending);
    else await refused(events);
  };
  return {
    send(data) {
      socket.send(data);
      frame("out", data);
    },
    close: () => socket.close(1000),
  };
};

/** A browser does not tell a refused handshake from an absent server, so the node is asked whether it is there. */
export async function refused(events) {
  if (await isReady()) events.ended("Refused before it opened. Browsers hide the reason: usually the token or the Origin");
  else events.lost("The node cannot be reached or is not ready");
}

async function isReady() {
  try {
    return (await fetch("/health/ready", { cache: "no-store" })).status !== 503;
  } catch {
    return false;
  }
}
