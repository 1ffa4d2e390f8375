// Sockets of socket.io-client that report everything that happens to them, in order.

import { Socket as Engine } from "engine.io-client";
import { Manager } from "socket.io-client";

export class Sockets {
  #sockets = new Map();
  #report;

  constructor(report) {
    this.#report = report;
  }

  /**
   * Opens a socket on a connection of its own; `options` are the Manager's, `answers` what it acknowledges events with, and
   * `more` further namespaces on the same connection, of which only coming and going are reported.
   */
  open({ socket: name, url, namespace = "/", auth, options, answers = {}, more = [] }) {
    const report = (what, details) => this.#report({ socket: name, what, namespace, ...details });
    const manager = new Manager(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 250, ...options });
    const socket = manager.socket(namespace, { auth });
    const transport = () => report("transport", { name: manager.engine.transport.name });
    manager.on("open", () => {
      transport();
      manager.engine.on("upgrade", transport);
    });
    manager.on("error", (error) => report("error", { message: String(error.message) }));
    socket.on("connect", () => report("connect", { id: socket.id }));
    socket.on("disconnect", (reason) => report("disconnect", { reason }));
    socket.on("connect_error", (error) => report("connect_error", { message: error.message, data: error.data ?? null }));
    socket.onAny((event, ...args) => {
      const acknowledge = typeof args.at(-1) === "function" ? args.pop() : undefined;
      report("event", { event, args });
      // null means: the client does not answer.
      if (answers[event] !== null) acknowledge?.(...(answers[event] ?? []));
    });
    for (const further of more) {
      const beside = manager.socket(further, { auth });
      beside.on("connect", () => report("connect", { id: beside.id, namespace: further }));
      beside.on("disconnect", (reason) => report("disconnect", { reason, namespace: further }));
    }
    this.#sockets.set(name, { manager, socket });
  }

  /** A socket of engine.io-client alone: its messages are events with the name "message". */
  openEngine({ socket: name, url, options }) {
    const report = (what, details) => this.#report({ socket: name, what, ...details });
    const engine = new Engine(url, options);
    engine.on("open", () => report("connect", { id: engine.id }));
    engine.on("message", (data) => report("event", { event: "message", args: [data] }));
    engine.on("close", (reason) => report("disconnect", { reason }));
    this.#sockets.set(name, { manager: { engine }, socket: { emit: (_, data) => engine.send(data), disconnect() {} } });
  }

  /** Emits; with `ack`, resolves with the arguments of the acknowledgement, at the latest after so many milliseconds. */
  emit({ socket: name, event, args, ack, volatile }) {
    const { socket } = this.#sockets.get(name);
    if (!ack) {
      (volatile ? socket.volatile : socket).emit(event, ...args);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      socket.timeout(ack).emit(event, ...args, (error, ...answer) => {
        if (error) reject(error);
        else resolve(answer);
      });
    });
  }

  /** `how`: "disconnect" leaves the namespace and closes; "drop" ends the connection as a lost network does. */
  close({ socket: name, how = "disconnect" }) {
    const { manager, socket } = this.#sockets.get(name);
    if (how === "drop") {
      manager.engine.close();
      return;
    }
    this.#sockets.delete(name);
    socket.disconnect();
    manager.engine?.close();
  }
}
