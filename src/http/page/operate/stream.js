// The live stream of a node: shows who the operator is, receives figures and the tail, and comes back by itself after a loss.

import { backoff, closeMeaning } from "../text.js";

/** Figures come every 5 s. A connection that is silent for so long is dead, whatever TCP says. */
const SILENCE = 25_000;

/**
 * States: `closed`, `connecting`, `live`, `waiting` (for the next try).
 * Events: `state`; `message` with the node's message as `detail`; `refused` with the reason as `detail`.
 */
export class LiveStream extends EventTarget {
  state = "closed";
  /** Why the last connection ended, for people. */
  ending = "";
  attempt = 0;
  retryAt = 0;
  #authorization;
  #socket;
  #timer;
  #watchdog;
  #filter = null;

  start(authorization) {
    this.stop();
    this.#authorization = authorization;
    this.ending = "";
    this.#open();
  }

  stop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
    this.attempt = 0;
    this.#become("closed");
  }

  /** Tries at once instead of waiting. */
  hurry() {
    if (this.state !== "waiting") return;
    clearTimeout(this.#timer);
    this.#open();
  }

  /** Asks for the tail with this filter, also after every reconnect; null ends it. */
  watch(filter) {
    this.#filter = filter;
    if (this.state === "live") this.#socket.send(JSON.stringify({ tail: filter }));
  }

  #open() {
    this.#become("connecting");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/websocket/live`);
    this.#socket = socket;
    const isCurrent = () => this.#socket === socket;
    let opened = false;
    socket.onopen = () => {
      if (!isCurrent()) return;
      opened = true;
      socket.send(JSON.stringify({ authorization: this.#authorization }));
      this.#wake();
    };
    socket.onmessage = ({ data }) => isCurrent() && this.#message(data);
    socket.onclose = ({ code, reason }) => {
      if (!isCurrent()) return;
      clearTimeout(this.#watchdog);
      this.#socket = undefined;
      if (code >= 4400 && code < 4500) this.#refuse(reason || closeMeaning(code));
      else this.#wait(opened ? `closed ${code}, ${reason || closeMeaning(code)}` : "the node cannot be reached, or takes no further stream");
    };
    this.#wake();
  }

  /** Ends a connection on which nothing has come for too long; its close is then a loss like any other. */
  #wake() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      const socket = this.#socket;
      this.#socket = undefined;
      socket?.close();
      this.#wait(`nothing came for ${SILENCE / 1000} s`);
    }, SILENCE);
  }

  #message(text) {
    this.#wake();
    const message = JSON.parse(text);
    if (this.state !== "live") {
      this.attempt = 0;
      this.#become("live");
      if (this.#filter) this.watch(this.#filter);
    }
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  #refuse(reason) {
    this.#become("closed");
    this.dispatchEvent(new CustomEvent("refused", { detail: reason }));
  }

  #wait(ending) {
    this.ending = ending;
    this.attempt += 1;
    const delay = backoff(this.attempt);
    this.retryAt = performance.now() + delay;
    this.#timer = setTimeout(() => this.#open(), delay);
    this.#become("waiting");
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
