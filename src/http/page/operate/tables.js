// Who is connected: connections by consumer, rooms by size, and clients that read too slowly.

import { formatBytes } from "../text.js";
import { Table, bar, button, h } from "./dom.js";
import { count } from "./format.js";
import { PROTOCOLS } from "./words.js";

/** A panel with a table, and a sentence instead of it while there is nothing. */
class Listed {
  element;
  #table;
  #none;
  #key;
  #few;
  #all;
  #rows = [];

  /** Only the first `few` rows are shown until somebody asks for all. */
  constructor({ id, title, note, empty, columns, key, few = Infinity }) {
    this.#table = new Table(title, `${id}-table`, columns, true);
    this.#few = few;
    this.#all = button("", `${id}-all`, () => this.#showAll(), { class: "quiet" });
    this.#none = h("p", { class: "nothing" }, empty);
    this.#key = key;
    this.element = h(
      "section", { class: "panel part-of", "aria-labelledby": `${id}-title`, id: `${id}-section` },
      h("div", { class: "title" }, h("h2", { id: `${id}-title` }, title), note && h("p", { class: "hint" }, note)), this.#none, this.#table.element, this.#all,
    );
  }

  show(rows) {
    this.#rows = rows;
    this.#table.show(rows.slice(0, this.#few), this.#key);
    this.#all.hidden = rows.length <= this.#few;
    this.#all.textContent = `Show all ${rows.length}`;
    this.#table.element.hidden = rows.length === 0;
    this.#none.hidden = rows.length > 0;
  }

  #showAll() {
    this.#few = Infinity;
    this.show(this.#rows);
  }
}

export class Tables {
  #most = { consumers: 1, rooms: 1, slow: 1 };
  #names = {};
  #consumers;
  #rooms;
  #slow;
  #ended = h("p", { class: "hint", role: "status", "data-testid": "op-slow-status" });
  elements;

  /** `chooseUser(id)`, `chooseSocket(id, status)`, `chooseRoom(name)`: what a press on one does; `status` is where the result is said. */
  constructor({ chooseUser, chooseSocket, chooseRoom }) {
    this.#consumers = new Listed({
      id: "op-consumers", title: "Connections by consumer", empty: "No client is connected.",
      key: ({ consumer, protocol }) => `${consumer} ${protocol}`,
      columns: [
        { title: "Consumer", head: true, of: ({ consumer, protocol }) => h("span", { class: "named" }, h("span", { class: "name" }, consumer), h("span", { class: "facts-of" }, PROTOCOLS[protocol] ?? protocol)) },
        { title: "Share", share: true, of: ({ connections }) => bar(connections / this.#most.consumers) },
        { title: "Connections", numeric: true, of: ({ connections }) => count(connections) },
      ],
    });
    this.#rooms = new Listed({
      id: "op-rooms", title: "Rooms by size", note: "the 20 largest", empty: "No room has a member.", few: 8,
      key: ({ room }) => room,
      columns: [
        { title: "Room", head: true, of: ({ room }) => button(room, "op-room", () => chooseRoom(room), { class: "link", title: "Watch this group in the tail" }) },
        { title: "Share", share: true, of: ({ members }) => bar(members / this.#most.rooms) },
        { title: "Members", numeric: true, of: ({ members }) => count(members) },
      ],
    });
    this.#slow = new Listed({
      id: "op-slow", title: "Slow clients", note: "what waits in their outboxes", empty: "No client is behind: nothing waits in an outbox.",
      key: ({ node, socket, consumer, user }) => `${node} ${socket ?? ""} ${consumer} ${user ?? ""}`,
      columns: [
        { title: "Client", head: true, of: ({ user, socket, consumer, node }) => h("span", { class: "named" },
          user === null || user === undefined ? h("span", { class: "name" }, "a client") : button(`user ${user}`, "op-slow-user", () => chooseUser(String(user)), { class: "link" }),
          h("span", { class: "facts-of" }, [consumer, this.#names[node] ?? node, socket].filter(Boolean).join(" · "))) },
        { title: "Share", share: true, of: ({ waiting }) => bar(waiting / this.#most.slow) },
        { title: "Waiting", numeric: true, of: ({ waiting }) => formatBytes(waiting) },
        { title: "End it", numeric: true, of: ({ socket }) => socket && button("Disconnect", "op-slow-disconnect", () => chooseSocket(socket, this.#ended), { class: "quiet", "aria-label": `Disconnect ${socket}` }) },
      ],
    });
    this.#slow.element.append(this.#ended);
    this.elements = { consumers: this.#consumers.element, rooms: this.#rooms.element, slow: this.#slow.element };
  }

  show(state) {
    const { consumers, largestRooms: rooms, slow, names } = state;
    const largest = (list, of) => Math.max(1, ...list.map(of));
    this.#names = names;
    this.#most = {
      consumers: largest(consumers, ({ connections }) => connections),
      rooms: largest(rooms, ({ members }) => members),
      slow: largest(slow, ({ waiting }) => waiting),
    };
    this.#consumers.show([...consumers].sort((a, b) => b.connections - a.connections || a.consumer.localeCompare(b.consumer)));
    this.#rooms.show(rooms);
    this.#slow.show(slow);
  }
}
