// A test message to the Socket.IO clients of a user, a role or a room.

import { parseJson } from "../text.js";
import { field, h } from "./dom.js";
import { listed } from "./format.js";

const PLACES = {
  user: { title: "a user", name: "User id", path: (name) => `emit/${name}` },
  role: { title: "a role", name: "Role", path: (name) => `emit/role/${name}` },
  room: { title: "a room", name: "Room", path: (name) => `emit/room/${name}` },
};

export class Emit {
  element;
  #api;
  #names = {};
  #parts;

  constructor(api) {
    this.#api = api;
    const to = field("To", "op-emit-to", {}, "select");
    to.input.append(...Object.entries(PLACES).map(([value, { title }]) => h("option", { value }, title)));
    const name = field("User id", "op-emit-name", { required: true, "aria-describedby": "op-emit-error" });
    const event = field("Event", "op-emit-event", { required: true, value: "test", "aria-describedby": "op-emit-error" });
    const namespace = field("Namespace", "op-emit-namespace", { value: "/" });
    const data = field("Data, as JSON; empty for none", "op-emit-data", { rows: "3", value: '{"message": "A test by the operator"}', "aria-describedby": "op-emit-error" }, "textarea");
    const error = h("p", { class: "error", id: "op-emit-error", role: "alert", hidden: true, "data-testid": "op-emit-error" });
    const send = h("button", { type: "submit", class: "primary", "data-testid": "op-emit-send" }, "Emit");
    const answer = h("p", { class: "hint", role: "status", "data-testid": "op-emit-answer" }, "Reaches Socket.IO clients, on every node.");
    this.#parts = { to: to.input, name: name.input, event: event.input, namespace: namespace.input, data: data.input, label: name.label, error, send, answer };
    to.input.addEventListener("change", () => this.#showPlace());
    this.element = h(
      "section", { class: "panel part-of", "aria-labelledby": "op-emit-title", id: "op-emit-section" },
      h("div", { class: "title" }, h("h2", { id: "op-emit-title" }, "A test message")),
      h("form", { class: "stack", novalidate: true, on: { submit: (submitted) => { submitted.preventDefault(); void this.#send(); } } },
        h("div", { class: "fields" }, to.label, name.label, event.label, namespace.label), data.label, error, h("div", { class: "row" }, send, answer)),
    );
  }

  set names(names) {
    this.#names = names;
  }

  /** Prepares a message to a user. */
  address(name) {
    this.#parts.to.value = "user";
    this.#parts.name.value = name ?? "";
    this.#showPlace();
    this.element.scrollIntoView({ block: "nearest" });
    this.#parts.event.focus();
  }

  #showPlace() {
    this.#parts.label.firstChild.textContent = PLACES[this.#parts.to.value].name;
  }

  async #send() {
    const { to, name, event, namespace, data, send, answer } = this.#parts;
    const place = PLACES[to.value];
    const json = data.value.trim() === "" ? {} : parseJson(data.value);
    if (name.value.trim() === "") return this.#fail(name, `${place.name} is needed.`);
    if (event.value.trim() === "") return this.#fail(event, "The name of an event is needed.");
    if (json.error) return this.#fail(data, json.error);
    this.#fail();
    send.disabled = true;
    const body = { event: event.value.trim(), namespace: namespace.value.trim() || "/", ...("value" in json && { data: json.value }) };
    const { ok, message, silent = [], field: wrong } = await this.#api.post(place.path(encodeURIComponent(name.value.trim())), body);
    send.disabled = false;
    if (!ok) return this.#fail({ event, namespace, data }[wrong] ?? name, `${message}.`);
    answer.textContent = `${message}.${silent.length ? ` ${listed(silent.map((node) => this.#names[node] ?? node))} did not answer.` : ""}`;
  }

  #fail(input, problem) {
    const { error } = this.#parts;
    for (const each of this.element.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
    error.hidden = !input;
    error.textContent = problem ?? "";
    if (!input) return;
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}
