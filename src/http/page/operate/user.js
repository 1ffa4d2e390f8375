// A user's connections and rooms, and the end of them.

import { plural } from "../text.js";
import { Table, button, field, h } from "./dom.js";
import { listed } from "./format.js";

/** How often a user is looked up after an end, and the pause between two times, in ms. */
const LOOKS = 8;
const AGAIN = 400;

/** So many connections are listed, and so many rooms of each. */
const LISTED = 100;
const ROOMS = 20;

/** The longest close reason that the node takes, in bytes. */
const LONGEST_REASON = 123;

const INTRODUCTION = "Shows the connections and rooms of a user, on every node.";

/** What the node cannot list: it finds a user's connections by their rooms. */
const UNLISTED = "Plain WebSockets are not listed; to disconnect the user ends them, too.";

export class User {
  element;
  #api;
  #names = {};
  #shown;
  /** The number of the last look-up: an answer to one before it comes too late. */
  #lookup = 0;
  #parts;
  #dialog;
  #table = new Table("The connections of the user", "op-sockets", [
    { title: "Connection", head: true, of: ({ id, namespace }) => h("span", { class: "named" }, h("code", {}, id), h("span", { class: "facts-of" }, namespace && namespace !== "/" ? `namespace ${namespace}` : "")) },
    { title: "Node", of: ({ node }) => this.#names[node] ?? node },
    { title: "Rooms", of: ({ rooms }) => h("ul", { class: "chips" }, [...rooms.slice(0, ROOMS), ...(rooms.length > ROOMS ? [`+${rooms.length - ROOMS}`] : [])].map((room) => h("li", { class: "chip" }, room))) },
    { title: "End it", of: ({ id }) => button("Disconnect", "op-disconnect-one", () => this.#askOne(id), { class: "quiet", "aria-label": `Disconnect ${id}` }) },
  ]);

  /** `emitTo(user)` opens the form for a message to the user. */
  constructor(api, { emitTo }) {
    this.#api = api;
    const { input, label } = field("User id", "op-user", { name: "user", required: true });
    const parts = {
      input,
      status: h("p", { class: "hint", role: "status", "data-testid": "op-user-status" }, INTRODUCTION),
      actions: h("div", { class: "row" },
        button("Disconnect the user", "op-disconnect-all", () => this.#askAll(), { class: "danger" }),
        button("Send a test message", "op-user-emit", () => emitTo(this.#shown?.userId), { class: "quiet" })),
    };
    this.#parts = parts;
    label.append(h("span", { class: "joined" }, input, h("button", { type: "submit", "data-testid": "op-user-find" }, "Find")));
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
    const { input, status } = this.#parts;
    this.#lookup += 1;
    const lookup = this.#lookup;
    input.value = id;
    if (id === "") {
      status.textContent = "A user id is needed.";
      input.focus();
      return;
    }
    status.textContent = "Asking the nodes…";
    const { ok, message, data, silent } = await this.#api.get(`user/${encodeURIComponent(id)}/rooms`);
    if (lookup !== this.#lookup) return;
    if (!ok) {
      this.#clear();
      status.textContent = `${message}.`;
      return;
    }
    this.#shown = data;
    const missing = this.#missing(silent);
    const { sockets, rooms } = data;
    const few = sockets.length > LISTED ? ` The first ${LISTED} are listed.` : "";
    status.textContent = sockets.length
      ? `User ${id}: ${plural(sockets.length, "Socket.IO connection")} in ${plural(rooms.length, "room")}.${few} ${UNLISTED}${missing}`
      : `User ${id} has no Socket.IO connection in the room user_${id}. ${UNLISTED}${missing}`;
    this.#table.show(sockets.slice(0, LISTED), ({ id: socket, namespace }) => `${socket} ${namespace ?? ""}`);
    this.#table.element.hidden = sockets.length === 0;
    this.#parts.actions.hidden = false;
  }

  #missing(silent) {
    return silent.length ? ` ${listed(silent.map((node) => this.#names[node] ?? node))} did not answer, so this may not be all.` : "";
  }

  /** Puts the question away that may be open: without its view it would still hold the page. */
  close() {
    this.#dialog.element.close();
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
    this.askSocket(socket, this.#parts.status, `This ends 1 connection of user ${userId}. It is in ${plural(rooms.size, "room")}.`);
  }

  /** Asks whether one connection is to end; the result is said in `status`. */
  askSocket(socket, status, question = "This ends 1 connection.") {
    this.#dialog.ask({ title: `Disconnect ${socket}?`, question, label: "Disconnect 1 connection", act: (reason) => this.#disconnect({ socket, ...reason }, status) });
  }

  /** Lists the user anew. A connection that ends says goodbye first, so that it may be listed for a moment more. */
  async #findWithout(ended) {
    let lookup = this.#lookup;
    for (let looks = 0; looks < LOOKS; looks += 1) {
      if (looks > 0) await new Promise((resolve) => void setTimeout(resolve, AGAIN));
      // The operator may have asked for another user, and nobody is shown after a look-up that failed.
      if (lookup !== this.#lookup || !this.#shown) return;
      lookup += 1;
      await this.find(this.#shown.userId);
      if (!this.#shown?.sockets.some(({ id }) => ended.includes(id))) return;
    }
  }

  async #disconnect(order, said = this.#parts.status) {
    const ended = order.socket ? [order.socket] : this.#shown.sockets.map(({ id }) => id);
    const { ok, message, silent } = await this.#api.post("disconnect", order);
    if (ok && this.#shown) await this.#findWithout(ended);
    const { status } = this.#parts;
    const more = ok ? `${this.#missing(silent)}${this.#shown && said === status ? ` ${status.textContent}` : ""}` : "";
    said.textContent = `${message}.${more}`;
  }
}

/** The question before an end: what will happen, to how many, and with which reason. */
class Confirmation {
  #act;
  #title = h("h2", { id: "op-confirm-title" });
  #question = h("p", { id: "op-confirm-text", "data-testid": "op-confirm-text" });
  #reason = field("Close reason, which the client can read (optional)", "op-confirm-reason");
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
    this.#reason.input.setCustomValidity("");
    this.#act = act;
    this.element.showModal();
  }

  #carryOut() {
    const { input } = this.#reason;
    const reason = input.value.trim();
    const bytes = new TextEncoder().encode(reason).length;
    input.setCustomValidity(bytes > LONGEST_REASON ? `At most ${LONGEST_REASON} bytes; these are ${bytes}.` : "");
    if (!input.reportValidity()) return;
    this.element.close();
    void this.#act(reason ? { reason } : {});
  }
}
