// One client's card: its state, what a connection needs (token, path parameters), and what its protocol can send.

import { Connection, dialPlain } from "./connection.js";
import { onEnter } from "./controls.js";
import { Messages } from "./messages.js";
import { Rooms } from "./rooms.js";
import { dialSocketIo } from "./socketio.js";
import { fillTemplate, formatBytes, pathParameters, plural, valueInTemplate } from "./text.js";

const LABELS = { websocket: "WebSocket", "socket.io": "Socket.IO" };

/** What the page's users have in their tokens, where a consumer reads it there: the first client, the second, … */
const CLAIMS = {
  role: { label: "Role", values: ["admin", "technician"] },
  name: { label: "Name", values: ["Ada", "Grace", "Mary", "Alan"] },
};

export class Card {
  consumer;
  name;
  connection;
  element;
  hue;
  #parts = {};
  #inputs = {};
  #node;
  #authorization;
  #speech;
  #ticking;

  /**
   * `node`: what the node says of itself. `authorization`: the header that shows the key. `hue`: the colour of its frames.
   * `number`: which client of the consumer it is; the first one has the consumer's name alone.
   */
  constructor(consumer, { node, authorization, hue, number = 1 }) {
    this.consumer = consumer;
    this.name = number === 1 ? consumer.name : `${consumer.name} ${number}`;
    this.hue = hue;
    this.#node = node;
    this.#authorization = authorization;
    this.element = document.getElementById("card-template").content.cloneNode(true).firstElementChild;
    for (const part of this.element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
    const { path, namespace } = consumer;
    const { transports } = node;
    this.connection = new Connection(
      this.#isSocketIo
        ? dialSocketIo({
            place: () => ({ path: this.#filled(path, encodeURIComponent), namespace: this.#filled(namespace, String) }),
            transports,
            makeToken: () => this.#token(),
          })
        : dialPlain(() => this.#url()),
    );
    const parts = this.#parts;
    this.#speech = new (this.#isSocketIo ? Rooms : Messages)(this.connection, consumer, parts, () => this.#showGroups());
    this.#fill(number);
    this.connection.addEventListener("state", () => this.#stateChanged());
    this.connection.addEventListener("frame", () => this.#showNumbers());
    this.#stateChanged();
    this.#showNumbers();
  }

  /** Whether everything is filled in that a connection needs. */
  get complete() {
    return Object.values(this.#inputs).every((input) => input.value.trim() !== "" || !input.required);
  }

  /** The groups that a connection with these fields is in, as far as the templates are plain. */
  get groups() {
    const values = Object.fromEntries(Object.entries(this.#inputs).map(([key, input]) => [key, input.value.trim()]));
    const own = this.consumer.groups.map((template) => fillTemplate(template, values)).filter(Boolean);
    return [...own, ...this.#speech.groups];
  }

  /** Why a client that is open and in the group may still get nothing, or nothing to say. */
  get silence() {
    return this.#speech.silence;
  }

  /** Moves the focus here, with everything in view. */
  focus() {
    this.#expand(true);
    this.#parts.expander.focus();
  }

  /** Asks for everything that the samples need: topics or rooms. */
  begin() {
    this.#speech.begin();
  }

  connect() {
    const missing = Object.values(this.#inputs).find((input) => input.required && input.value.trim() === "");
    if (missing) {
      this.#expand(true);
      this.#parts.state.textContent = `Fill in “${missing.dataset.label}” first.`;
      missing.focus();
      return;
    }
    this.connection.connect();
  }

  get #isSocketIo() {
    return this.consumer.protocol === "socket.io";
  }

  /** How a client shows who it is; anonymous ones do not. */
  get #method() {
    return this.consumer.auth.find((method) => method !== "anonymous");
  }

  #expand(open) {
    this.#parts.expander.setAttribute("aria-expanded", String(open));
    this.#parts.body.hidden = !open;
  }

  #fill(number) {
    const { consumer, element } = this;
    const parts = this.#parts;
    element.dataset.name = this.name;
    element.dataset.path = consumer.path;
    element.classList.add(`hue-${this.hue}`);
    parts.name.textContent = this.name;
    parts.path.textContent = consumer.namespace === "/" ? consumer.path : `${consumer.path} ${consumer.namespace}`;
    const methods = consumer.auth.map((method) => (isJwt(method) ? method.replace("jwt", "JWT") : method.replace("_", "-")));
    parts.speech.textContent = `${LABELS[consumer.protocol]}, ${methods.join(" or ")}`;
    this.#showShared();
    parts.expander.addEventListener("click", () => this.#expand(parts.body.hidden));
    parts.toggle.addEventListener("click", () => {
      if (this.connection.state === "closed") this.connect();
      else this.connection.disconnect();
    });
    parts.add.addEventListener("click", () => element.dispatchEvent(new Event("add")));
    parts.remove.hidden = number === 1;
    parts.remove.addEventListener("click", () => element.dispatchEvent(new Event("remove")));

    for (const { name, kind, text } of pathParameters(`${consumer.path} ${consumer.namespace}`)) {
      const value = kind === "int" ? "1" : "";
      this.#addField(`route.${name}`, text, { value, testid: `route-${name}`, required: true });
    }
    this.#addUser(number);
    this.#showGroups();
  }

  /** Which other consumers serve the same namespace: what they emit arrives here, too. */
  #showShared() {
    const { consumer } = this;
    if (!this.#isSocketIo) return;
    const isHere = ({ path, namespace }) => path === consumer.path && namespace === consumer.namespace;
    const others = this.#node.consumers.filter((other) => other !== consumer && isHere(other)).map(({ name }) => name);
    if (others.length === 0) return;
    this.#parts.shared.hidden = false;
    this.#parts.shared.textContent =
      `Shares its namespace with ${others.join(" and ")}: every one of them that accepts the token serves this client.`;
  }

  #addUser(number) {
    const method = this.#method;
    if (method === undefined) return;
    const required = !this.consumer.auth.includes("anonymous");
    if (!this.#node.tokens.includes(method)) {
      const label = isJwt(method) ? "Token (JWT)" : "Token (ws-token)";
      this.#addField("token", label, { testid: "token", type: "password", required });
      return;
    }
    const user = this.#userOfSamples() ?? "7";
    const another = /^\d+$/.test(user) ? String(Number(user) + number - 1) : user;
    const options = { testid: "user-id", required };
    this.#addField("user.id", "User id", required ? { ...options, value: another } : { ...options, placeholder: "anonymous" });
    if (!isJwt(method)) return;
    for (const claim of this.consumer.claims) {
      const { label, values } = CLAIMS[claim];
      this.#addField(`user.${claim}`, label, { value: values[(number - 1) % values.length], testid: claim });
    }
  }

  #addField(key, label, { value = "", testid, type = "text", required = false, placeholder = "" }) {
    const attributes = { value, type, required, placeholder, autocomplete: "off", spellcheck: false };
    const input = Object.assign(document.createElement("input"), attributes);
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

  /** A path or namespace with its parameters filled in. */
  #filled(form, write) {
    return pathParameters(form).reduce(
      (filled, { name, text }) => filled.replace(text, () => write(this.#inputs[`route.${name}`].value.trim())),
      form,
    );
  }

  async #url() {
    const { consumer } = this;
    const url = new URL(this.#filled(consumer.path, encodeURIComponent), location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const token = await this.#token();
    if (token) url.searchParams.set(consumer.token_query ?? "token", token);
    return url.href;
  }

  /** The token that is filled in, or one for the user that is; none for an anonymous client. */
  #token() {
    const values = Object.fromEntries(Object.entries(this.#inputs).map(([key, input]) => [key, input.value.trim()]));
    if (values.token !== undefined) return values.token;
    if (!values["user.id"]) return "";
    const claims = { role: values["user.role"], name: values["user.name"] };
    return fetchToken(this.#method, values["user.id"], claims, this.#authorization());
  }

  #stateChanged() {
    const { connection, element } = this;
    const { state } = connection;
    element.dataset.state = state;
    for (const input of Object.values(this.#inputs)) input.disabled = state !== "closed";
    this.#parts.toggle.textContent = { closed: "Connect", connecting: "Cancel", open: "Disconnect", waiting: "Stop" }[state];
    this.#parts.toggle.setAttribute("aria-label", `${this.#parts.toggle.textContent} ${this.name}`);
    this.#speech.stateChanged(state);
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

  #showGroups() {
    const { groups } = this;
    this.#parts.groups.textContent = groups.length ? `Joins ${groups.join(", ")}` : "";
    this.element.dispatchEvent(new Event("groups", { bubbles: true }));
  }

  #showNumbers() {
    const { received, sent, bytesIn } = this.connection;
    const what = this.#isSocketIo ? "event" : "frame";
    this.#parts.numbers.textContent = `${plural(received, what)} in (${formatBytes(bytesIn)}), ${sent} out`;
  }
}

/** Whether it takes JWTs, of any kind: "jwt" or "jwt:tracker". */
function isJwt(method) {
  return method.split(":", 1)[0] === "jwt";
}

async function fetchToken(method, userId, claims, authorization) {
  const request = { user_id: /^\d{1,15}$/.test(userId) ? Number(userId) : userId, method };
  const response = await fetch("/page/token", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization },
    body: JSON.stringify(isJwt(method) ? { ...request, claims } : request),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(`No token: ${answer.detail ?? `HTTP ${response.status}`}`);
  return isJwt(method) ? answer.jwt : answer[method];
}
