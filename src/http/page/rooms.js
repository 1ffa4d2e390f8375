// What a Socket.IO client can do: ask for rooms, leave them, and emit events with or without an acknowledgement.

import { makeButton, onEnter } from "./controls.js";
import { parseJson, roomGroup, roomName } from "./text.js";

export class Rooms {
  #connection;
  #consumer;
  #parts;
  #changed;
  /** What the client asked for and did not leave: the room's name to `{ room, args }`. */
  #asked = new Map();
  /** One per kind of room: `{ room, input, button }`. */
  #controls = [];

  /** `changed` is called when the rooms have changed. */
  constructor(connection, consumer, parts, changed) {
    this.#connection = connection;
    this.#consumer = consumer;
    this.#parts = parts;
    this.#changed = changed;
    parts.rooms.hidden = consumer.rooms.length === 0;
    parts.emitter.hidden = false;
    for (const room of consumer.rooms) this.#addRoom(room);
    for (const message of consumer.messages) this.#offer(message);
    parts.emit.addEventListener("click", () => this.#emit());
    onEnter(parts.event, () => this.#emit());
    onEnter(parts.arguments, () => this.#emit());
    if (consumer.messages.length) this.#choose(consumer.messages[0]);
  }

  get groups() {
    return [...this.#asked.values()].map(({ room, args }) => roomGroup(room.room, args[0]));
  }

  get silence() {
    return this.#consumer.rooms.length ? "emits to rooms, and this client may not be in the right one" : "";
  }

  /** Asks for every room whose argument is filled in. */
  begin() {
    for (const { room, input } of this.#controls) if (!input || input.value.trim() !== "") this.#join(room, input);
  }

  stateChanged(state) {
    const closed = state !== "open";
    for (const { input, button } of this.#controls) {
      button.disabled = closed;
      if (input) input.disabled = closed;
    }
    for (const part of ["emit", "event", "arguments", "ack"]) this.#parts[part].disabled = closed;
    // A connection that came back is a new client to the node: it asks again, as an application does on "connect".
    if (!closed) for (const { room, args } of this.#asked.values()) this.#send(room.join, args);
    if (state === "closed") this.#asked.clear();
    this.#showAsked();
  }

  #send(event, args, asks = false) {
    this.#connection.link?.emit(event, args, asks);
  }

  #addRoom(room) {
    const button = makeButton("Join", "room-join");
    const row = document.createElement("div");
    row.className = "room";
    row.dataset.testid = "room";
    row.dataset.join = room.join;
    let input;
    if ("argument" in room) {
      button.setAttribute("aria-label", `Join by ${room.join}`);
      input = Object.assign(document.createElement("input"), { value: room.argument ?? "", autocomplete: "off", spellcheck: false });
      input.setAttribute("autocapitalize", "none");
      input.dataset.testid = "room-argument";
      const label = document.createElement("label");
      const joined = Object.assign(document.createElement("span"), { className: "joined" });
      joined.append(input, button);
      label.append(Object.assign(document.createElement("code"), { textContent: room.join }), joined);
      row.append(label);
      onEnter(input, () => this.#join(room, input));
    } else {
      button.textContent = room.join;
      row.append(button);
    }
    button.addEventListener("click", () => this.#join(room, input));
    this.#parts.roomlist.append(row);
    this.#controls.push({ room, input, button });
  }

  #join(room, input) {
    const args = input ? [input.value.trim()] : [];
    if (args[0] === "" || !this.#connection.link) return;
    this.#send(room.join, args);
    this.#asked.set(roomName(room.room, args[0]), { room, args });
    this.#showAsked();
  }

  #leave(name) {
    const { room, args } = this.#asked.get(name);
    if (room.leave) this.#send(room.leave, args);
    this.#asked.delete(name);
    this.#showAsked();
  }

  #showAsked() {
    const items = [...this.#asked].map(([name, { room }]) => {
      const item = document.createElement("li");
      const button = makeButton(name, "room-leave", { className: "chip" });
      button.setAttribute("aria-label", `Leave ${name}`);
      button.title = room.leave ? `${room.leave}: leave ${name}` : "no event leaves this room";
      button.disabled = !room.leave || !this.#connection.link;
      button.addEventListener("click", () => this.#leave(name));
      item.append(button);
      return item;
    });
    this.#parts.asked.replaceChildren(...items);
    this.#parts.roomhint.hidden = items.length === 0;
    this.#changed();
  }

  /** A button per event that has a handler, which fills in its name and arguments to try. */
  #offer(message) {
    const button = makeButton(message.name, "event-template", { className: "quiet template" });
    button.addEventListener("click", () => {
      this.#choose(message);
      if (!this.#parts.arguments.disabled) this.#parts.arguments.focus();
    });
    this.#parts.events.append(button);
  }

  #choose({ name, arguments: args, acks }) {
    this.#parts.event.value = name;
    this.#parts.arguments.value = args.length ? JSON.stringify(args) : "";
    this.#parts.ack.checked = acks;
    this.#wrong("");
  }

  #emit() {
    const { event, arguments: field, ack } = this.#parts;
    const name = event.value;
    const { value: args, error } = field.value.trim() === "" ? { value: [] } : parseJson(field.value);
    if (name === "") return this.#wrong("An event has a name.");
    if (error) return this.#wrong(`The arguments are not JSON: ${error}`);
    if (!Array.isArray(args)) return this.#wrong("The arguments are a list, such as [\"text\", {\"a\": 1}].");
    try {
      this.#send(name, args, ack.checked);
    } catch (problem) {
      // The client keeps some names for itself.
      return this.#wrong(problem.message);
    }
    this.#wrong("");
    // A room asked for by hand is remembered too, so that a reconnect restores it.
    const joined = this.#consumer.rooms.find((room) => room.join === name && "argument" in room === args.length > 0);
    const left = this.#consumer.rooms.find((room) => room.leave === name);
    if (joined && typeof args[0] !== "object") this.#asked.set(roomName(joined.room, args[0]), { room: joined, args });
    if (left) this.#asked.delete(roomName(left.room, args[0]));
    this.#showAsked();
  }

  #wrong(text) {
    const { emitproblem, arguments: field } = this.#parts;
    emitproblem.textContent = text;
    emitproblem.hidden = text === "";
    field.setAttribute("aria-invalid", String(text !== ""));
  }
}
