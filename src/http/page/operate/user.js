// A user's connections and rooms, and the end of them.

import { plural } from "../text.js";
import { Table, button, field, h } from "./dom.js";
import { listed } from "./format.js";

/** How often a user is looked up after an end, and the pause between two times, in ms. */
const LOOKS = 8;
const AGAIN = 400;

const INTRODUCTION = "Shows the connections and rooms of a user, on every node.";

/** What the node cannot list: it finds a user's connections by their rooms. */
const UNLISTED = "Plain WebSockets are not listed; to disconnect the user ends them, too.";

export class User {
  element;
  #api;
  #names = {};
  #shown;
  #parts;
  #dialog;
  #table = new Table("The connections of the user", "op-sockets", [
    { title: "Connection", head: true, of: ({ id, namespace }) => h("span", { class: "named" }, h("code", {}, id), h("span", { class: "facts-of" }, namespace && namespace !== "/" ? `namespace ${namespace}` : "")) },
    { title: "Node", of: ({ node }) => this.#names[node] ?? node },
    { title: "Rooms", of: ({ rooms }) => h("ul", { class: "chips" }, rooms.map((room) => h("li", { class: "chip" }, room))) },
    { title: "End it", of: ({ id }) => button("Disconnect", "op-disconnect-one", () => this.#askOne(id), { class: "quiet", "aria-label": `Disconnect ${id}` }) },
  ]);

  /** `emitTo(user)` opens the form for a message to the user. */
  constructor(api, { emitTo }) {
    this.#api = api;
    const { input, label } = field("User id", "op-user", { name: "user", required: true });
    const find = h("button", { type: "submit", "data-testid": "op-user-find" }, "Find");
    const parts = {
      input,
      find,
      status: h("p", { class: "hint", role: "status", "data-testid": "op-user-status" }, INTRODUCTION),
      actions: h("div", { class: "row" },
        button("Disconnect the user", "op-disconnect-all", () => this.#askAll(), { class: "danger" }),
        button("Send a test message", "op-user-emit", () => emitTo(this.#shown?.userId), { class: "quiet" })),
    };
    this.#parts = parts;
    label.append(h("span", { class: "joined" }, input, find));
    const form = h("form", { class: "stack", novalidate: true, on: { submit: (event) => { event.preventDefault(); void this.find(input.value.trim()); } } }, label);
    this.#dialog = new Confirmation();
    this.element = h(
      "section", { class: "panel part-of", "aria-labelledby": "op-user-title", id: "op-user-section" },
      h("div", { class: "title" }, h("h2", { id: "op-user-title" }, "A user")), form, parts.status, parts.actions, this.#table.element, this.#dialog.element,
    );
    this.#clear();
  }

  set names(names) {
    this.#names = names;
  }

  /** Looks a user up, or asks for one. */
  async find(id) {
    const { input, find, status } = this.#parts;
    input.value = id;
    if (id === "") {
      status.textContent = "A user id is needed.";
      input.focus();
      return;
    }
    find.disabled = true;
    status.textContent = "Asking the nodes…";
    const { ok, message, data, silent } = await this.#api.get(`user/${encodeURIComponent(id)}/rooms`);
    find.disabled = false;
    if (!ok) {
      this.#clear();
      status.textContent = `${message}.`;
      return;
    }
    this.#shown = data;
    const missing = this.#missing(silent);
    const { sockets, rooms } = data;
    status.textContent = sockets.length
      ? `User ${id}: ${plural(sockets.length, "Socket.IO connection")} in ${plural(rooms.length, "room")}. ${UNLISTED}${missing}`
      : `User ${id} has no Socket.IO connection in the room user_${id}. ${UNLISTED}${missing}`;
    this.#table.show(sockets, ({ id: socket, namespace }) => `${socket} ${namespace ?? ""}`);
    this.#table.element.hidden = sockets.length === 0;
    this.#parts.actions.hidden = false;
  }

  #missing(silent) {
    return silent.length ? ` ${listed(silent.map((node) => this.#names[node] ?? node))} did not answer, so this may not be all.` : "";
  }

  /** Forgets the user that is shown: somebody else may sign in. */
  reset() {
    this.#parts.input.value = "";
    this.#parts.status.textContent = INTRODUCTION;
    this.#dialog.element.close();
    this.#clear();
  }

  #clear() {
    this.#shown = undefined;
    this.#table.element.hidden = true;
    this.#parts.actions.hidden = true;
  }

  #askAll() {
    const { userId, sockets } = this.#shown;
    const number = new Set(sockets.map(({ id }) => id)).size;
    const named = number ? `the ${plural(number, "Socket.IO connection")} of user ${userId} and ` : "";
    this.#dialog.ask({
      title: `Disconnect user ${userId}?`, label: "Disconnect the user",
      question: `This ends ${named}all plain WebSockets ${named ? "of this user" : `of user ${userId}`}, on every node.`,
      act: (reason) => this.#disconnect({ user: userId, ...reason }),
    });
  }

  #askOne(socket) {
    const { userId, sockets } = this.#shown;
    const rooms = new Set(sockets.filter(({ id }) => id === socket).flatMap((one) => one.rooms));
    this.askSocket(socket, `This ends 1 connection of user ${userId}. It is in ${plural(rooms.size, "room")}.`);
  }

  /** Asks whether one connection is to end. */
  askSocket(socket, question = "This ends 1 connection.") {
    this.#dialog.ask({ title: `Disconnect ${socket}?`, question, label: "Disconnect 1 connection", act: (reason) => this.#disconnect({ socket, ...reason }) });
  }

  /** Lists the user anew. A connection that ends says goodbye first, so that it may be listed for a moment more. */
  async #findWithout(ended) {
    for (let looks = 0; looks < LOOKS; looks += 1) {
      if (looks > 0) await new Promise((resolve) => void setTimeout(resolve, AGAIN));
      // Nobody is shown any more after a sign-out.
      if (!this.#shown) return;
      await this.find(this.#shown.userId);
      if (!this.#shown?.sockets.some(({ id }) => ended.includes(id))) return;
    }
  }

  async #disconnect(order) {
    const { ok, message, silent } = await this.#api.post("disconnect", order);
    const { status } = this.#parts;
    if (ok && this.#shown) await this.#findWithout(order.socket ? [order.socket] : this.#shown.sockets.map(({ id }) => id));
    status.textContent = ok ? `${message}.${this.#missing(silent)}${this.#shown ? ` ${status.textContent}` : ""}` : `${message}.`;
  }
}

/** The question before an end: what will happen, to how many, and with which reason. */
class Confirmation {
  #act;
  #title = h("h2", { id: "op-confirm-title" });
  #question = h("p", { id: "op-confirm-text", "data-testid": "op-confirm-text" });
  #reason = field("Close reason, which the client can read (optional)", "op-confirm-reason", { maxlength: "100" });
  #yes = button("", "op-confirm-yes", () => this.#carryOut(), { class: "danger" });
  element = h(
    "dialog", { "aria-labelledby": "op-confirm-title", "aria-describedby": "op-confirm-text", "data-testid": "op-confirm" },
    this.#title, this.#question, h("p", { class: "hint" }, "The client may come back with a valid token."), this.#reason.label,
    h("div", { class: "row" }, this.#yes, button("Cancel", "op-confirm-no", () => this.element.close(), { class: "quiet" })),
  );

  ask({ title, question, label, act }) {
    this.#title.textContent = title;
    this.#question.textContent = question;
    this.#yes.textContent = label;
    this.#reason.input.value = "";
    this.#act = act;
    this.element.showModal();
  }

  #carryOut() {
    const reason = this.#reason.input.value.trim();
    this.element.close();
    void this.#act(reason ? { reason } : {});
  }
}
