// What a plain WebSocket client can send: topics to subscribe to, and messages of its own.

import { makeButton, onEnter } from "./controls.js";
import { isObject, parseJson } from "./text.js";

export class Messages {
  #connection;
  #consumer;
  #parts;
  #subscribed = new Set();

  constructor(connection, consumer, parts) {
    this.#connection = connection;
    this.#consumer = consumer;
    this.#parts = parts;
    parts.sender.hidden = false;
    parts.send.addEventListener("click", () => this.#sendMessage());
    onEnter(parts.message, () => this.#sendMessage());
    this.#offerMessages();
    if (!this.#subscribeMessage) return;
    parts.topics.hidden = false;
    parts.types.value = this.#sampleTopics.join(", ");
    parts.subscribe.addEventListener("click", () => this.begin());
    onEnter(parts.types, () => this.begin());
  }

  /** Groups that the client asked for; topics are not groups. */
  get groups() {
    return [];
  }

  get silence() {
    return this.#subscribeMessage ? "delivers only types that are subscribed to" : "";
  }

  /** Subscribes to the types in the field. */
  begin() {
    if (!this.#subscribeMessage || !this.#connection.link) return;
    const names = this.#parts.types.value.split(",").map((name) => name.trim()).filter(Boolean);
    if (names.length === 0) return;
    for (const name of names) this.#subscribed.add(name);
    this.#sendSubscribe(names);
    this.#showSubscribed();
  }

  stateChanged(state) {
    for (const part of ["subscribe", "send", "message"]) this.#parts[part].disabled = state !== "open";
    if (state === "open" && this.#subscribed.size) this.#sendSubscribe([...this.#subscribed]);
    if (state === "closed") this.#subscribed.clear();
    this.#showSubscribed();
  }

  get #subscribeMessage() {
    return this.#consumer.messages.find(({ does, fields }) => does === "subscribe" && fields.length > 0);
  }

  get #sampleTopics() {
    return [...new Set(Object.values(this.#consumer.samples).map(({ topic }) => topic).filter(Boolean))];
  }

  #sendSubscribe(names) {
    const { name, fields } = this.#subscribeMessage;
    this.#connection.link.send(JSON.stringify({ [this.#consumer.message_key]: name, [fields[0]]: names }));
  }

  /** A button per client message, which puts it into the field with its known fields filled in. */
  #offerMessages() {
    for (const { name, fields } of this.#consumer.messages) {
      const button = makeButton(name, "message-template", { className: "quiet template" });
      button.addEventListener("click", () => {
        const values = fields.map((field) => [field, /time|date|_at$/.test(field) ? new Date().toISOString() : []]);
        this.#parts.message.value = JSON.stringify({ [this.#consumer.message_key]: name, ...Object.fromEntries(values) });
        this.#parts.message.focus();
      });
      this.#parts.messages.append(button);
    }
  }

  #sendMessage() {
    const text = this.#parts.message.value;
    const { link } = this.#connection;
    if (text === "" || !link) return;
    link.send(text);
    // Topics sent by hand are remembered too, so that a reconnect restores them.
    const message = parseJson(text).value;
    const subscribe = this.#subscribeMessage;
    if (!subscribe || !isObject(message) || message[this.#consumer.message_key] !== subscribe.name) return;
    for (const name of [message[subscribe.fields[0]] ?? []].flat()) this.#subscribed.add(String(name));
    this.#showSubscribed();
  }

  #showSubscribed() {
    if (!this.#subscribeMessage) return;
    if (this.#subscribed.size) {
      this.#parts.subscribed.textContent = `Subscribed: ${[...this.#subscribed].join(", ")}`;
      return;
    }
    const words = this.#consumer.topics_by_words && this.#sampleTopics.find((topic) => topic.includes("_"));
    const example = words ? ` A word is enough: “${words.split("_").at(-1)}” matches “${words}”.` : "";
    this.#parts.subscribed.textContent = `Types are delivered once subscribed to.${example}`;
  }
}
