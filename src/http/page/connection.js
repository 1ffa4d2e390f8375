// One WebSocket that comes back by itself. It knows states, close codes and waiting; nothing of what frames mean.

import { backoff, closeMeaning, mayReconnect } from "./text.js";

/**
 * States: `closed`, `connecting`, `open`, `waiting` (for the next try).
 * Events: `state`, and `frame` with `detail: { direction: "in" | "out", data, size, at, clock }`.
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
  #makeUrl;
  #socket;
  #timer;
  /** Which try is the current one; an answer to an older one is thrown away. */
  #generation = 0;

  /** `makeUrl` may be async; it throws `TypeError` (as fetch does) when the node cannot be reached. */
  constructor(makeUrl) {
    super();
    this.#makeUrl = makeUrl;
  }

  connect() {
    if (this.state === "open" || this.state === "connecting") return;
    this.attempt = 0;
    void this.#open();
  }

  disconnect() {
    this.#generation += 1;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    this.attempt = 0;
    if (socket) socket.close(1000);
    if (this.state === "open") this.ending = "Closed by you, 1000 normal end";
    else if (this.state !== "closed") this.ending = "Stopped by you";
    this.#become("closed");
  }

  send(data) {
    if (this.state !== "open") return false;
    this.#socket.send(data);
    this.sent += 1;
    this.#frame("out", data);
    return true;
  }

  async #open() {
    const generation = ++this.#generation;
    const stale = () => generation !== this.#generation;
    clearTimeout(this.#timer);
    this.#become("connecting");
    let url;
    try {
      url = await this.#makeUrl();
    } catch (error) {
      if (stale()) return;
      if (error instanceof TypeError) this.#wait("The node cannot be reached");
      else this.#end(error.message);
      return;
    }
    if (stale()) return;
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      if (stale()) return;
      opened = true;
      this.attempt = 0;
      this.ending = "";
      this.#become("open");
    };
    socket.onmessage = ({ data }) => {
      if (stale()) return;
      this.received += 1;
      this.#frame("in", data);
    };
    socket.onclose = async ({ code, reason }) => {
      if (stale()) return;
      this.#socket = undefined;
      const ending = `Closed ${code}, ${closeMeaning(code)}${reason ? `: ${reason}` : ""}`;
      if (opened) {
        if (mayReconnect(code)) this.#wait(ending);
        else this.#end(ending);
        return;
      }
      // A browser tells a refused handshake from an absent server to nobody, so the node is asked whether it is there.
      const ready = await isReady();
      if (stale()) return;
      if (ready) this.#end("Refused before it opened. Browsers hide the reason: usually the token or the Origin");
      else this.#wait("The node cannot be reached or is not ready");
    };
  }

  #wait(ending) {
    this.ending = ending;
    this.attempt += 1;
    const delay = backoff(this.attempt);
    this.retryAt = performance.now() + delay;
    this.#timer = setTimeout(() => void this.#open(), delay);
    this.#become("waiting");
  }

  #end(ending) {
    this.ending = ending;
    this.attempt = 0;
    this.#become("closed");
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  #frame(direction, data) {
    const clock = performance.now();
    const size = typeof data === "string" ? new Blob([data]).size : data.byteLength;
    if (direction === "in") this.bytesIn += size;
    this.dispatchEvent(new CustomEvent("frame", { detail: { direction, data, size, at: new Date(), clock } }));
  }
}

async function isReady() {
  try {
    return (await fetch("/health/ready", { cache: "no-store" })).status !== 503;
  } catch {
    return false;
  }
}
