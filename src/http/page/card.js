// One consumer's card: its state, what a connection needs (token, path parameters), topics and own messages.

import { Connection } from "./connection.js";
import {
  fillTemplate, formatBytes, isObject, parseJson, pathParameters, plural, valueInTemplate,
} from "./text.js";

export class Card {
  consumer;
  connection;
  element;
  hue;
  #parts = {};
  #inputs = {};
  #subscribed = new Set();
  #tokens;
  #authorization;
  #ticking;

  /** `tokens`: whether this node makes ws-tokens for the page, for who shows `authorization`. `hue`: which colour frames of this consumer have. */
  constructor(consumer, { tokens, authorization, hue }) {
    this.consumer = consumer;
    this.hue = hue;
    this.#tokens = tokens;
    this.#authorization = authorization;
    this.element = document.getElementById("card-template").content.cloneNode(true).firstElementChild;
    for (const part of this.element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
    this.connection = new Connection(() => this.#url());
    this.#fill(hue);
    this.connection.addEventListener("state", () => this.#stateChanged());
    this.connection.addEventListener("frame", () => this.#showNumbers());
    this.#stateChanged();
    this.#showNumbers();
  }

  get name() {
    return this.consumer.name;
  }

  /** Whether everything is filled in that a connection needs. */
  get complete() {
    return Object.values(this.#inputs).every((input) => input.value.trim() !== "" || !input.required);
  }

  /** The groups that a connection with these fields joins, as far as the templates are plain. */
  get groups() {
    const values = Object.fromEntries(Object.entries(this.#inputs).map(([key, input]) => [key, input.value.trim()]));
    return this.consumer.groups.map((template) => fillTemplate(template, values)).filter(Boolean);
  }

  get hasTopics() {
    return this.#subscribeMessage !== undefined;
  }

  get subscribed() {
    return [...this.#subscribed];
  }

  toggle() {
    if (this.connection.state === "closed") this.connect();
    else this.connection.disconnect();
  }

  connect() {
    const missing = Object.values(this.#inputs).find((input) => input.required && input.value.trim() === "");
    if (missing) {
      this.#parts.state.textContent = `Fill in “${missing.dataset.label}” first.`;
      missing.focus();
      return;
    }
    this.connection.connect();
  }

  subscribe() {
    const names = this.#parts.types.value.split(",").map((name) => name.trim()).filter(Boolean);
    if (names.length === 0) return;
    for (const name of names) this.#subscribed.add(name);
    this.#sendSubscribe(names);
    this.#showSubscribed();
  }

  get #subscribeMessage() {
    return this.consumer.messages.find(({ does, fields }) => does === "subscribe" && fields.length > 0);
  }

  get #sampleTopics() {
    return [...new Set(Object.values(this.consumer.samples).map(({ topic }) => topic).filter(Boolean))];
  }

  #sendSubscribe(names) {
    const { name, fields } = this.#subscribeMessage;
    this.connection.send(JSON.stringify({ [this.consumer.message_key]: name, [fields[0]]: names }));
  }

  #fill(hue) {
    const { consumer, element } = this;
    const parts = this.#parts;
    element.dataset.name = consumer.name;
    element.dataset.path = consumer.path;
    element.classList.add(`hue-${hue}`);
    parts.name.textContent = consumer.name;
    parts.path.textContent = consumer.path;
    parts.auth.textContent = consumer.auth.join(" or ").replaceAll("_", "-");
    parts.toggle.addEventListener("click", () => this.toggle());
    parts.send.addEventListener("click", () => this.#sendMessage());
    onEnter(parts.message, () => this.#sendMessage());

    for (const { name, kind, text } of pathParameters(consumer.path)) {
      const value = kind === "int" ? "1" : "";
      this.#addField(`route.${name}`, text, { value, testid: `route-${name}`, required: true });
    }
    const kind = consumer.auth[0];
    if (kind === "ws_token" && this.#tokens) {
      this.#addField("user.id", "User id", { value: this.#userOfSamples() ?? "7", testid: "user-id", required: true });
    } else if (kind === "ws_token" || kind === "jwt") {
      this.#addField("token", `Token (${kind === "jwt" ? "JWT" : "ws-token"})`, {
        testid: "token", type: "password", required: !consumer.auth.includes("anonymous"),
      });
    }

    if (this.hasTopics) {
      parts.topics.hidden = false;
      parts.types.value = this.#sampleTopics.join(", ");
      parts.subscribe.addEventListener("click", () => this.subscribe());
      onEnter(parts.types, () => this.subscribe());
      this.#showSubscribed();
    }
    this.#offerMessages();
    this.#showGroups();
  }

  #addField(key, label, { value = "", testid, type = "text", required }) {
    const input = Object.assign(document.createElement("input"), { value, type, required, autocomplete: "off", spellcheck: false });
    input.dataset.testid = testid;
    input.dataset.label = label;
    const wrap = document.createElement("label");
    wrap.append(label, input);
    this.#parts.fields.append(wrap);
    this.#inputs[key] = input;
    input.addEventListener("input", () => this.#showGroups());
    onEnter(input, () => this.connect());
  }

  /** The user that the samples are for, so that a first try with nothing changed shows something. */
  #userOfSamples() {
    const groups = Object.values(this.consumer.samples).map(({ group }) => group);
    const users = this.consumer.groups.flatMap((template) => groups.map((group) => valueInTemplate(template, "user.id", group)));
    return users.find((user) => user && /^\w+$/.test(user) && !user.includes("_"));
  }

  /** A button per client message, which puts it into the field with its known fields filled in. */
  #offerMessages() {
    for (const { name, fields } of this.consumer.messages) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: name });
      button.dataset.testid = "message-template";
      button.addEventListener("click", () => {
        const values = fields.map((field) => [field, /time|date|_at$/.test(field) ? new Date().toISOString() : []]);
        this.#parts.message.value = JSON.stringify({ [this.consumer.message_key]: name, ...Object.fromEntries(values) });
        this.#parts.message.focus();
      });
      this.#parts.messages.append(button);
    }
  }

  #sendMessage() {
    const text = this.#parts.message.value;
    if (text === "" || !this.connection.send(text)) return;
    // Topics sent by hand are remembered too, so that a reconnect restores them.
    const message = parseJson(text).value;
    const subscribe = this.#subscribeMessage;
    if (!subscribe || !isObject(message) || message[this.consumer.message_key] !== subscribe.name) return;
    for (const name of [message[subscribe.fields[0]] ?? []].flat()) this.#subscribed.add(String(name));
    this.#showSubscribed();
  }

  async #url() {
    const { consumer } = this;
    let { path } = consumer;
    for (const { name, text } of pathParameters(path)) {
      path = path.replace(text, encodeURIComponent(this.#inputs[`route.${name}`].value.trim()));
    }
    const url = new URL(path, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const user = this.#inputs["user.id"]?.value.trim();
    const token = user === undefined ? this.#inputs.token?.value.trim() : await fetchToken(user, this.#authorization());
    if (token) url.searchParams.set(consumer.token_query ?? "token", token);
    return url.href;
  }

  #stateChanged() {
    const { connection, element } = this;
    const { state } = connection;
    element.dataset.state = state;
    for (const input of Object.values(this.#inputs)) input.disabled = state !== "closed";
    this.#parts.toggle.textContent = { closed: "Connect", connecting: "Cancel", open: "Disconnect", waiting: "Stop" }[state];
    this.#parts.toggle.setAttribute("aria-label", `${this.#parts.toggle.textContent} ${this.name}`);
    this.#parts.subscribe.disabled = state !== "open";
    this.#parts.send.disabled = state !== "open";
    this.#parts.message.disabled = state !== "open";
    if (state === "open" && this.#subscribed.size) this.#sendSubscribe(this.subscribed);
    if (state === "closed") this.#subscribed.clear();
    this.#showSubscribed();
    this.#showState();
    // The wait is shown running down; nothing ticks otherwise.
    clearInterval(this.#ticking);
    if (state === "waiting") this.#ticking = setInterval(() => this.#showState(), 100);
  }

  #showState() {
    const { state, ending, attempt, retryAt } = this.connection;
    const seconds = Math.max(0, (retryAt - performance.now()) / 1000).toFixed(1);
    this.#parts.state.textContent = {
      closed: ending || "Not connected",
      connecting: attempt ? `Connecting, try ${attempt}…` : "Connecting…",
      open: "Open",
      waiting: `${ending}. Try ${attempt} in ${seconds} s`,
    }[state];
  }

  #showSubscribed() {
    if (!this.hasTopics) return;
    if (this.#subscribed.size) {
      this.#parts.subscribed.textContent = `Subscribed: ${this.subscribed.join(", ")}`;
      return;
    }
    const words = this.consumer.topics_by_words && this.#sampleTopics.find((topic) => topic.includes("_"));
    const example = words ? ` A word is enough: “${words.split("_").at(-1)}” takes in “${words}”.` : "";
    this.#parts.subscribed.textContent = `Types are delivered once subscribed to.${example}`;
  }

  #showGroups() {
    const { groups } = this;
    this.#parts.groups.textContent = groups.length ? `Joins ${groups.join(", ")}` : "";
    this.element.dispatchEvent(new Event("groups", { bubbles: true }));
  }

  #showNumbers() {
    const { received, sent, bytesIn } = this.connection;
    this.#parts.numbers.textContent = `${plural(received, "frame")} in (${formatBytes(bytesIn)}), ${sent} out`;
  }
}

async function fetchToken(userId, authorization) {
  const response = await fetch("/page/token", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization },
    body: JSON.stringify({ user_id: /^\d{1,15}$/.test(userId) ? Number(userId) : userId }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(`No token: ${answer.detail ?? `HTTP ${response.status}`}`);
  return answer.ws_token;
}

function onEnter(input, act) {
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    act();
  });
}
