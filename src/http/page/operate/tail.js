// The live tail: what happens to events on all nodes, newest first, the last 300, drawn at most once per animation frame.

import { formatBytes, formatTime, plural } from "../text.js";
import { button, field, h } from "./dom.js";
import { count, listed, micros } from "./format.js";
import { BRIDGE, DIRECT, DROPS, GAPS, advice, meaning } from "./words.js";

const KEPT = 300;
/** A filter is sent when nobody has typed for so long, in ms. */
const CALM = 300;
/** Of a record that this page cannot read, so much is shown. */
const LONGEST = 1000;
const LOSSES = new Set(["dropped", "gap"]);

/** A field that the record must have; a record without it is shown as it came. */
function must(type, value) {
  if (typeof value !== type) throw new TypeError(`not a ${type}`);
  return value;
}
const word = (value) => must("string", value);
const number = (value) => must("number", value);
const of = (type) => h("b", { class: "event" }, word(type));

/** What a record says: `[tag, content…]`. */
const SAYS = {
  event: ({ type, source, bytes }) => ["received", of(type), ` from ${word(source)}, ${formatBytes(number(bytes))}`],
  mapped: ({ consumer, type, frames }) => ["mapped", of(type), ` to ${plural(number(frames), "message")} of ${word(consumer)}`],
  delivered: ({ consumer, events, members, bytes, us }) =>
    ["delivered", `${number(events) === 1 ? "" : `${count(events)} events `}to ${plural(number(members), "member")} of ${word(consumer)}, ${formatBytes(number(bytes))} after ${micros(number(us))}`],
  calls: ({ consumer, type, calls, members, refused }) =>
    ["calls", of(type), ` calls ${word(consumer)} ${count(number(calls))} times for ${plural(number(members), "member")}${refused ? `; ${count(refused)} above the limit miss it` : ""}`],
  direct: ({ type, outcome }) => ["direct", of(type), `: ${DIRECT[outcome] ?? word(outcome)}`],
  dropped: ({ reason, count: drops, consumer, detail }) => [
    "dropped", of(reason), number(drops) > 1 ? ` × ${count(drops)}` : "", consumer ? ` at ${consumer}: ` : ": ",
    meaning(DROPS, reason), detail ? ` (${detail})` : "", h("span", { class: "hint" }, ` ${advice(DROPS, reason)}`),
  ],
  call: ({ connection, consumer, call, us, outcome, why, sharers }) => [
    "call", of(call), ` of ${word(consumer)} for ${sharers ? plural(sharers, "connection") : word(connection)}, ${micros(number(us))}: ${word(outcome)}. ${meaning(BRIDGE, outcome)}`, why ? ` ${why}` : "",
  ],
  gap: ({ reason }) => ["gap", of(reason), ": ", meaning(GAPS, reason), h("span", { class: "hint" }, ` ${advice(GAPS, reason)}`)],
};

const text = (value) => (typeof value === "string" ? value : "");

/** The record with what every one has. A node of another release, or a program that says to be one, may send anything. */
function sound(given) {
  const { kind, time, groups } = Object(given);
  return { ...given, kind: text(kind), time: text(time), groups: Array.isArray(groups) ? groups.filter((group) => typeof group === "string") : [] };
}

/** What the record says: `[tag, content…]`; one that this page cannot read is shown as it came. */
function said(record) {
  try {
    if (Object.hasOwn(SAYS, record.kind)) return SAYS[record.kind](record).map((part) => (part instanceof globalThis.Node ? part : String(part)));
  } catch {
    // It lacks what its kind has.
  }
  return [record.kind, JSON.stringify(record).slice(0, LONGEST)];
}

export class Tail {
  element;
  #parts;
  #names = {};
  #hue = new Map();
  #watch;
  #queue = [];
  #scheduled = false;
  #isPaused = false;
  #held = 0;
  #lost = 0;
  #calm;
  #consumers = new Set();

  /** `watch(filter)` asks the node for records, or for none with null. */
  constructor(watch) {
    this.#watch = watch;
    const group = field("Group", "op-tail-group", { type: "search", placeholder: "all groups" });
    const consumer = field("Consumer", "op-tail-consumer", {}, "select");
    consumer.input.append(h("option", { value: "" }, "all consumers"));
    const drops = h("input", { type: "checkbox", "data-testid": "op-tail-drops", checked: true });
    const parts = {
      group: group.input, consumer: consumer.input, drops,
      number: h("span", { class: "count", "data-testid": "op-tail-count" }),
      pause: button("Pause", "op-tail-pause", () => this.#togglePause(), { class: "quiet", "aria-pressed": "false" }),
      list: h("ol"),
      empty: h("p", { class: "empty", "data-testid": "op-tail-empty" }),
      silent: h("p", { class: "notice bad", role: "status", hidden: true, "data-testid": "op-tail-silent" }),
      lost: h("p", { class: "notice", role: "status", "data-testid": "op-tail-lost" }),
    };
    parts.log = h("div", { class: "log", role: "log", "aria-live": "off", "aria-labelledby": "op-tail-title", tabindex: "0", "data-testid": "op-tail" }, parts.list);
    this.#parts = parts;
    group.input.addEventListener("input", () => {
      this.#sift();
      clearTimeout(this.#calm);
      this.#calm = setTimeout(() => this.begin(), CALM);
    });
    consumer.input.addEventListener("change", () => this.begin());
    drops.addEventListener("change", () => this.begin());
    this.element = h(
      "section", { class: "panel tail", "aria-labelledby": "op-tail-title", id: "op-tail-section" },
      h("div", { class: "title" }, h("h2", { id: "op-tail-title" }, "Live tail ", parts.number),
        h("div", { class: "row" }, parts.pause, button("Clear", "op-tail-clear", () => this.clear(), { class: "quiet" }))),
      h("div", { class: "filters" }, group.label, consumer.label, h("label", { class: "check" }, drops, "Drops and gaps only")),
      parts.silent, parts.lost, parts.log, parts.empty,
    );
    this.clear();
  }

  get filter() {
    const { group, consumer, drops } = this.#parts;
    return { group: group.value.trim() || null, consumer: consumer.value || null, drops: drops.checked };
  }

  /** Asks for the records of the filter as it is. What nodes are silent is then said anew. */
  begin() {
    this.silent([]);
    this.#sift();
    this.#watch(this.filter);
  }

  /** Of what is there, shows what fits the filter. */
  #sift() {
    for (const row of this.#parts.list.children) row.hidden = !this.#fits(row.record);
    this.#showCount();
  }

  /** Ends the records; what is there stays. */
  end() {
    clearTimeout(this.#calm);
    this.silent([]);
    this.#watch(null);
  }

  /** Shows every record of a group. */
  follow(group) {
    this.#parts.group.value = group;
    this.#parts.drops.checked = false;
    this.begin();
    this.element.scrollIntoView({ block: "nearest" });
  }

  show(state, hue) {
    this.#names = state.names;
    this.#hue = hue;
    // All consumers of a Socket.IO path share its connections, so their names come in one text.
    for (const { consumer } of state.consumers) for (const name of consumer.split(/,\s*/)) this.#add(name);
  }

  #add(name) {
    if (this.#consumers.has(name)) return;
    this.#consumers.add(name);
    this.#parts.consumer.append(h("option", { value: name }, name));
  }

  record(node, record) {
    this.#queue.push({ node, record });
    if (this.#queue.length > KEPT) this.#queue.shift();
    if (this.#isPaused) this.#held += 1;
    this.#schedule();
  }

  /** Records that were left out, because this page or a node did not keep up. */
  dropped(records) {
    this.#lost += records;
    this.#parts.lost.hidden = false;
    this.#parts.lost.textContent = `${plural(this.#lost, "record")} more than this page or a node could take ${this.#lost === 1 ? "was" : "were"} left out. A narrower filter shows all.`;
  }

  /** Nodes whose records do not arrive. */
  silent(nodes) {
    const { silent } = this.#parts;
    silent.hidden = nodes.length === 0;
    silent.textContent = nodes.length ? `The records of ${listed(nodes.map((node) => this.#names[node] ?? node))} do not arrive.` : "";
  }

  clear() {
    this.#queue = [];
    this.#held = 0;
    this.#lost = 0;
    this.#parts.lost.hidden = true;
    this.#parts.list.replaceChildren();
    this.#showCount();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      if (this.#isPaused) this.#showCount();
      else this.#draw();
    });
  }

  #draw() {
    const { list } = this.#parts;
    const rows = this.#queue.toReversed().map((entry) => this.#row(entry));
    this.#queue = [];
    list.prepend(...rows);
    while (list.childElementCount > KEPT) list.lastElementChild.remove();
    this.#showCount();
  }

  /** Whether a record fits the filter. The node filters, too; this concerns those that were there, or on their way. */
  #fits({ kind, groups = [], consumer: of }) {
    const { group, consumer, drops } = this.filter;
    const isLoss = LOSSES.has(kind);
    if (drops && !isLoss) return false;
    if (group && groups.length && !groups.includes(group)) return false;
    return !consumer || of === consumer || (of === undefined && isLoss);
  }

  #row({ node, record: given }) {
    const record = sound(given);
    const [tag, ...content] = said(record);
    const at = new Date(record.time);
    const { groups } = record;
    const row = h(
      "li", { class: `record hue-${this.#hue.get(node) ?? "rest"}`, "data-testid": "op-record", data: { kind: record.kind, reason: text(record.reason) } },
      h("p", { class: "where" },
        h("time", { datetime: record.time }, Number.isNaN(at.getTime()) ? "–" : formatTime(at)), h("span", { class: "who" }, this.#names[node] ?? node),
        h("span", { class: "tag" }, tag), h("code", { class: "group" }, groups.join(", "))),
      h("p", { class: "says" }, content),
    );
    row.record = record;
    row.hidden = !this.#fits(record);
    return row;
  }

  #togglePause() {
    this.#isPaused = !this.#isPaused;
    this.#held = 0;
    this.#parts.pause.setAttribute("aria-pressed", String(this.#isPaused));
    if (!this.#isPaused) this.#schedule();
    this.#showCount();
  }

  #showCount() {
    const { list, log, number, empty, pause, drops } = this.#parts;
    const rows = [...list.children].filter((row) => !row.hidden).length;
    number.textContent = rows ? String(rows) : "";
    empty.hidden = rows > 0;
    log.hidden = rows === 0;
    empty.textContent = drops.checked
      ? "No drop and no gap so far. This is how it should be. To see every event, switch “Drops and gaps only” off."
      : "Nothing yet. An event that is published to a group with members appears here, with what each node does with it.";
    pause.textContent = this.#isPaused ? `Resume${this.#held ? ` (${this.#held} new)` : ""}` : "Pause";
  }
}
