// The list of frames and events: newest first, the last 200, drawn at most once per animation frame however fast they come.

import { formatBytes, formatMillis, formatTime, hexadecimal, parseJson } from "./text.js";

const KEPT = 200;
const PREVIEW = 280;
/** Longer contents are shown in part, so that one frame cannot stall the page. */
const SHOWN = 64 * 1024;

const ARROWS = { in: "↓", out: "↑", note: "•" };
const DIRECTIONS = { in: "received", out: "sent", note: "connection" };

export class FrameLog {
  #list = document.getElementById("frames");
  #empty = document.getElementById("frames-empty");
  #count = document.getElementById("frames-count");
  #template = document.getElementById("frame-template");
  #text = document.getElementById("filter-text");
  #consumer = document.getElementById("filter-consumer");
  #expand = document.getElementById("expand");
  #pause = document.getElementById("pause");
  /** Entries not drawn yet, oldest first, at most as many as are kept. */
  #queue = [];
  #scheduled = false;
  #paused = false;
  #missed = 0;
  #expanded = false;

  constructor() {
    this.#pause.addEventListener("click", () => this.#togglePause());
    this.#expand.addEventListener("click", () => this.#toggleExpand());
    document.getElementById("clear").addEventListener("click", () => this.clear());
    this.#text.addEventListener("input", () => this.#filter());
    this.#consumer.addEventListener("change", () => this.#filter());
  }

  addConsumer(name) {
    this.#consumer.append(new Option(name, name));
  }

  /**
   * Adds `{ direction: "in" | "out" | "note", data, size, at, consumer, hue }`, with `latency` in ms for a frame that
   * answers a publish of this page, `open` to show its content at once, and of a Socket.IO event `event`, its name, and
   * whether it `asks` for an acknowledgement or `acknowledges`.
   */
  add(entry) {
    this.#queue.push(entry);
    if (this.#queue.length > KEPT) this.#queue.shift();
    if (this.#paused) {
      this.#missed += 1;
      this.#showCount();
      return;
    }
    this.#schedule();
  }

  clear() {
    this.#queue = [];
    this.#missed = 0;
    this.#list.replaceChildren();
    this.#showCount();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      if (!this.#paused) this.#draw();
    });
  }

  #draw() {
    const rows = document.createDocumentFragment();
    for (const entry of this.#queue.toReversed()) rows.append(this.#row(entry));
    this.#queue = [];
    this.#list.prepend(rows);
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild.remove();
    this.#showCount();
  }

  #row(entry) {
    const { direction, data, size, at, consumer, hue, latency, event } = entry;
    const row = this.#template.content.cloneNode(true).firstElementChild;
    const parts = {};
    for (const part of row.querySelectorAll("[data-part]")) parts[part.dataset.part] = part;
    const text = typeof data === "string" ? data : hexadecimal(data);
    row.classList.add(direction, `hue-${hue}`);
    Object.assign(row.dataset, { direction, consumer });
    row.searchable = `${consumer} ${event ?? ""} ${text}`.toLowerCase();
    parts.direction.textContent = ARROWS[direction];
    parts.direction.title = DIRECTIONS[direction];
    parts.direction.setAttribute("role", "img");
    parts.direction.setAttribute("aria-label", DIRECTIONS[direction]);
    parts.time.textContent = formatTime(at);
    parts.time.dateTime = at.toISOString();
    parts.who.textContent = consumer;
    if (event !== undefined) {
      row.dataset.event = event;
      parts.event.hidden = false;
      parts.event.textContent = event;
      const mark = entry.acknowledges ? "acknowledgement" : entry.asks ? "asks for an acknowledgement" : "";
      parts.mark.hidden = mark === "";
      parts.mark.textContent = mark;
    }
    parts.size.textContent = size === undefined ? "" : formatBytes(size);
    if (latency !== undefined) {
      parts.latency.hidden = false;
      parts.latency.textContent = formatMillis(latency);
      parts.latency.title = entry.acknowledges ? "from Emit to this acknowledgement" : "from Publish to this frame";
      row.classList.add("answered");
    }
    if (direction === "note") {
      parts.preview.textContent = text;
      const line = document.createElement("p");
      line.append(...row.querySelector("summary").childNodes);
      row.replaceChildren(line);
    } else {
      const json = typeof data === "string" && text.length <= SHOWN ? parseJson(text) : { error: "not parsed" };
      const oneLine = "value" in json ? spaced(json.value) : text;
      parts.preview.append(highlight(oneLine.slice(0, PREVIEW)), oneLine.length > PREVIEW ? "…" : "");
      const details = row.querySelector("details");
      // Pretty printing waits until somebody looks.
      const show = () => {
        if (parts.content.childNodes.length) return;
        const pretty = "value" in json ? JSON.stringify(json.value, null, 2) : text.slice(0, SHOWN);
        parts.content.append(highlight(pretty));
        if (text.length > SHOWN) parts.content.append(`\n… and ${formatBytes(text.length - SHOWN)} more`);
      };
      details.addEventListener("toggle", () => details.open && show());
      if (this.#expanded || entry.open) {
        details.open = true;
        show();
      }
    }
    row.hidden = !this.#matches(row);
    return row;
  }

  #matches(row) {
    const text = this.#text.value.trim().toLowerCase();
    const consumer = this.#consumer.value;
    return (consumer === "" || row.dataset.consumer === consumer) && (text === "" || row.searchable.includes(text));
  }

  #filter() {
    for (const row of this.#list.children) row.hidden = !this.#matches(row);
    this.#showCount();
  }

  #togglePause() {
    this.#paused = !this.#paused;
    this.#missed = 0;
    this.#pause.setAttribute("aria-pressed", String(this.#paused));
    if (!this.#paused) this.#schedule();
    this.#showCount();
  }

  #toggleExpand() {
    this.#expanded = !this.#expanded;
    this.#expand.setAttribute("aria-pressed", String(this.#expanded));
    for (const details of this.#list.querySelectorAll("details")) details.open = this.#expanded;
  }

  #showCount() {
    const rows = [...this.#list.children];
    const shown = rows.filter((row) => !row.hidden).length;
    this.#count.textContent = rows.length === 0 ? "" : shown === rows.length ? `${shown}` : `${shown} of ${rows.length}`;
    this.#empty.hidden = rows.length > 0;
    this.#list.hidden = rows.length === 0;
    this.#pause.textContent = this.#paused ? `Resume${this.#missed ? ` (${this.#missed} new)` : ""}` : "Pause";
  }
}

/** JSON on one line with room to break: `{"a": 1, "b": [2, 3]}`. */
function spaced(value) {
  return JSON.stringify(value, null, 1).replace(/\n\s*/g, " ").replace(/([[{]) | ([\]}])/g, "$1$2");
}

const TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/g;

/** JSON text as coloured nodes. It is always text, never markup: frames come from strangers. */
function highlight(text) {
  const nodes = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    const [all, string, colon] = match;
    nodes.append(text.slice(end, match.index));
    const span = document.createElement("span");
    span.className = colon ? "key" : string ? "string" : "literal";
    span.textContent = string ?? all;
    nodes.append(span, colon ?? "");
    end = match.index + all.length;
  }
  nodes.append(text.slice(end));
  return nodes;
}
