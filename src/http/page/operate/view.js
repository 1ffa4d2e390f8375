// The operator's view put together: signs in, keeps the live stream, and shows what it says.

import { Api } from "./api.js";
import { h, button } from "./dom.js";
import { Emit } from "./emit.js";
import { Charts, Figures, hues } from "./figures.js";
import { clock } from "./format.js";
import { Django, Losses } from "./losses.js";
import { after } from "./model.js";
import { Nodes } from "./nodes.js";
import { SignIn } from "./signin.js";
import { LiveStream } from "./stream.js";
import { Tables } from "./tables.js";
import { Tail } from "./tail.js";
import { User } from "./user.js";

export class OperateView {
  #stream = new LiveStream();
  #api;
  #state;
  #sections = {};
  #signIn;
  #board;
  #status;
  #notice;
  #ticking;
  #trouble;
  #root;
  #storageKey;
  #printed;

  /**
   * `root` is filled with the view, `status` with the state of the stream. The tab keeps the operator's token or key under
   * `storageKey`; `printed` is what `Views` has.
   */
  constructor(root, status, storageKey, printed) {
    this.#root = root;
    this.#storageKey = storageKey;
    this.#printed = printed;
    this.#notice = h("p", { class: "notice", role: "status", "data-testid": "op-stream-notice", hidden: true });
    this.#status = { line: h("span", { class: "line", "data-testid": "op-stream" }), out: button("Sign out", "op-signout", () => this.#leave(), { class: "quiet" }) };
    status.append(h("span", { class: "dot", "aria-hidden": "true" }), this.#status.line, this.#status.out);
    this.#status.element = status;
    this.#signIn = new SignIn((credential) => this.#enter(credential), Boolean(printed));
    this.#board = this.#makeBoard();
    root.replaceChildren(this.#notice, this.#signIn.element, this.#board);
    this.#stream.addEventListener("state", () => this.#showStream());
    this.#stream.addEventListener("message", ({ detail }) => this.#hear(detail));
    this.#stream.addEventListener("refused", ({ detail }) => this.#leave(detail));
    document.addEventListener("visibilitychange", () => this.#watchIfSeen());
    this.#show();
  }

  /** Starts with what this tab has kept, or with the key of the page's address. */
  open() {
    const credential = sessionStorage.getItem(this.#storageKey) ?? this.#printed?.key();
    // A new key in the address is another operator.
    if (this.#api.authorization && credential !== this.#api.authorization) this.#end();
    if (this.#stream.state !== "closed") return;
    if (credential) this.#enter(credential);
    else this.#show();
  }

  /** Ends the stream while the view is not shown. */
  close() {
    this.#sections.user.close();
    this.#stream.stop();
  }

  #enter(credential) {
    sessionStorage.setItem(this.#storageKey, credential);
    this.#api.authorization = credential;
    this.#stream.start(credential);
    this.#show();
    this.#watchIfSeen();
  }

  /** Back to the way in; with a reason if the node has refused the token. */
  #leave(reason) {
    this.#printed?.forget();
    this.#end();
    this.#show();
    this.#signIn.fail(typeof reason === "string" ? `The node refused this token or key: ${reason}.` : undefined);
  }

  /** The next operator finds nothing of this one: neither what was typed, nor an answer that is still on its way. */
  #end() {
    sessionStorage.removeItem(this.#storageKey);
    this.#state = undefined;
    this.#trouble = undefined;
    this.#sections.tail.end();
    this.#stream.stop();
    const old = this.#board;
    this.#board = this.#makeBoard();
    old.replaceWith(this.#board);
  }

  /** A page that nobody looks at costs the nodes no records. */
  #watchIfSeen() {
    if (!this.#api.authorization) return;
    if (document.visibilityState === "visible") this.#sections.tail.begin();
    else this.#sections.tail.end();
  }

  #hear(message) {
    if (message.type === "tail") this.#sections.tail.record(message.node, message.record);
    else if (message.type === "tail_dropped") this.#sections.tail.dropped(message.count);
    else if (message.type === "tail_silent") this.#sections.tail.silent(message.nodes);
    else if (message.type === "unavailable") this.#fail(message.message);
    else if (message.type === "stats" || message.type === "sample") {
      const isFirst = this.#state === undefined;
      this.#trouble = undefined;
      this.#state = after(this.#state, message);
      if (isFirst) this.#show();
      this.#draw();
    }
  }

  /** The node has no figures at the moment, and says why. */
  #fail(reason) {
    this.#trouble = reason;
    this.#showStream();
  }

  #draw() {
    const { figures, charts, losses, nodes, tables, django, user, emit, tail } = this.#sections;
    const hue = hues(this.#state);
    figures.show(this.#state);
    charts.show(this.#state, hue);
    losses.show(this.#state);
    nodes.show(this.#state, hue);
    tables.show(this.#state);
    django.show(this.#state);
    tail.show(this.#state, hue);
    user.names = this.#state.names;
    emit.names = this.#state.names;
    this.#showStream();
  }

  #show() {
    const isIn = Boolean(this.#api.authorization);
    this.#signIn.element.hidden = isIn;
    this.#board.hidden = !isIn || this.#state === undefined;
    this.#root.dataset.state = isIn ? (this.#state ? "in" : "entering") : "out";
    this.#showStream();
  }

  #showStream() {
    const { state, ending, retryAt } = this.#stream;
    const { element, line, out } = this.#status;
    clearInterval(this.#ticking);
    const until = this.#state?.history?.end;
    const isIn = Boolean(this.#api.authorization);
    element.dataset.state = { live: "open", connecting: "connecting", waiting: "waiting" }[state] ?? "closed";
    out.hidden = !isIn;
    line.textContent = { live: until ? `Live, ${clock(until)}` : "Live", connecting: "Connecting", waiting: "Reconnecting" }[state] ?? "Signed out";
    const isEntering = isIn && !this.#state && state !== "waiting";
    const isLost = state === "waiting";
    this.#notice.hidden = !isEntering && !isLost && !this.#trouble;
    this.#notice.classList.toggle("bad", isLost || Boolean(this.#trouble));
    if (this.#trouble && !isLost) this.#notice.textContent = `The nodes cannot be asked: ${this.#trouble}. The page goes on asking.`;
    else if (isEntering) this.#notice.textContent = "Asking the nodes…";
    if (!isLost) return;
    const seconds = h("span", { "aria-hidden": "true" });
    const tick = () => (seconds.textContent = ` Next try in ${Math.max(0, Math.ceil((retryAt - performance.now()) / 1000))} s.`);
    tick();
    this.#ticking = setInterval(tick, 1000);
    const old = until ? ` The figures are those of ${clock(until)}.` : "";
    this.#notice.replaceChildren(`The stream of the node is lost (${ending}); it reconnects by itself.${old}`, seconds, " ", button("Try now", "op-retry", () => this.#stream.hurry(), { class: "quiet" }));
  }

  #makeBoard() {
    const api = new Api();
    api.addEventListener("refused", ({ detail }) => api === this.#api && this.#leave(detail));
    this.#api = api;
    const tail = new Tail((filter) => this.#stream.watch(filter));
    const emit = new Emit(api);
    const user = new User(api, { emitTo: (id) => emit.address(id) });
    const chooseUser = (id) => {
      user.element.scrollIntoView({ block: "nearest" });
      void user.find(id);
    };
    const tables = new Tables({ chooseUser, chooseSocket: (socket, status) => user.askSocket(socket, status), chooseRoom: (room) => tail.follow(room) });
    this.#sections = { figures: new Figures(), charts: new Charts(), losses: new Losses(), nodes: new Nodes(), tables, django: new Django(), user, emit, tail };
    const { figures, charts, losses, nodes, django } = this.#sections;
    const places = [["Charts", charts], ["Losses", losses], ["Nodes", nodes], ["A user", user], ["Connections", { element: tables.elements.consumers }], ["Django", django], ["Message", emit], ["Tail", tail]];
    const jumps = places.map(([text, { element }]) => button(text, "op-jump", () => element.scrollIntoView(), { class: "quiet" }));
    const { consumers, rooms, slow } = tables.elements;
    return h(
      "div", { class: "board", "data-testid": "op-board" },
      figures.element, h("div", { class: "jumps", role: "group", "aria-label": "Parts of this page" }, jumps),
      h("div", { class: "column" }, charts.element, losses.element, nodes.element, user.element, h("div", { class: "pair" }, consumers, rooms), slow, django.element, emit.element),
      tail.element,
    );
  }
}
