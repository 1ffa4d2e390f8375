// A chart of the last 15 minutes: lines or stacked bars, drawn as SVG in the pixels that it has. Pointer, touch and arrow
// keys choose a time, which all charts of the page show together; a table says the same.

import { h, svg } from "./dom.js";
import { clock, rate, short } from "./format.js";
import { STEPS, largest, mean, minutes, newest, timeAt, total } from "./model.js";
import { areaPath, barPath, linePath, linear, niceTop, stacked, timeTicks } from "./scale.js";

const HEIGHT = 148;
const ABOVE = 14;
const BELOW = 20;
/** Lines that lie on each other, and lines whose colours a person cannot tell apart, still differ. */
const DASHES = ["none", "7 5", "2 5", "11 4 2 4", "4 4", "1 4"];

/** The time that is looked at: the index of a step, or null for now. */
export class Cursor extends EventTarget {
  index = null;

  move(index) {
    const next = index === null ? null : Math.min(STEPS - 1, Math.max(0, index));
    if (next === this.index) return;
    this.index = next;
    this.dispatchEvent(new Event("move"));
  }
}

export class Chart {
  element;
  #options;
  #cursor;
  #history;
  #series = [];
  #marks = [];
  #width = 0;
  #parts;

  /**
   * `title`; `unit` after a value; `kind`: "line" or "bar"; `how`: whether a minute's values are a "mean" or a "total";
   * `copies`: series are copies of the same, of which the largest counts; `whole`: the unit of the total of 15 minutes, which is shown instead of the last value; `empty`: what is said without any value above 0.
   */
  constructor(options, cursor) {
    this.#options = options;
    this.#cursor = cursor;
    const { title, testid, note } = options;
    const parts = {
      value: h("span", { class: "value", "data-testid": `${testid}-value` }),
      time: h("span", { class: "time", "data-testid": `${testid}-time` }),
      picture: svg("svg", { class: "picture", "aria-hidden": "true", height: HEIGHT }),
      legend: h("ul", { class: "legend" }),
      empty: h("p", { class: "nothing" }, "The first sample comes within 5 seconds."),
      rows: h("tbody"),
      heads: h("tr"),
    };
    parts.plot = h(
      "div",
      {
        class: "plot", role: "slider", tabindex: "0", "aria-label": `${title}: time`, "aria-orientation": "horizontal", "data-testid": `${testid}-plot`,
        "aria-valuemin": 0, "aria-valuemax": STEPS - 1, "aria-valuenow": STEPS - 1, "aria-valuetext": "no sample yet",
      },
      parts.picture,
    );
    parts.table = h(
      "details", { class: "as-table", on: { toggle: () => this.#drawTable() } },
      h("summary", { "data-testid": `${testid}-table` }, "As a table"),
      h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `${title}, a row per minute` },
        h("table", {}, h("caption", { class: "visually-hidden" }, `${title}, ${options.how} of each minute`), h("thead", {}, parts.heads), parts.rows)),
    );
    this.#parts = parts;
    this.element = h(
      "section", { class: "chart panel", "data-testid": testid, "aria-label": title },
      h("div", { class: "chart-head" }, h("h3", {}, title, note && h("span", { class: "note" }, note)), h("p", { class: "reading" }, parts.value, parts.time)),
      parts.plot, parts.empty, parts.legend, parts.table,
    );
    parts.plot.addEventListener("pointermove", (event) => this.#point(event));
    parts.plot.addEventListener("pointerdown", (event) => this.#point(event));
    parts.plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && cursor.move(null));
    // A finger that turns out to scroll has not chosen a time.
    parts.plot.addEventListener("pointercancel", () => cursor.move(null));
    parts.plot.addEventListener("keydown", (event) => this.#key(event));
    parts.plot.addEventListener("blur", () => cursor.move(null));
    cursor.addEventListener("move", () => this.#read());
    new ResizeObserver(([{ contentRect }]) => {
      if (Math.abs(contentRect.width - this.#width) < 1) return;
      this.#width = contentRect.width;
      this.#draw();
    }).observe(parts.plot);
  }

  /** Shows `series`: `[{ name, hue, values }]` of the history's steps; `marks`: `[{ index, reasons }]`. */
  show(history, series, marks) {
    this.#history = history;
    this.#series = series;
    this.#marks = marks;
    this.#draw();
    this.#drawTable();
  }

  get #bars() {
    return this.#options.kind === "bar";
  }

  #x = (index) => linear(0, STEPS - 1, 2, this.#width - 2)(index);

  #draw() {
    const { picture, empty, legend } = this.#parts;
    if (!this.#history || this.#width === 0) return;
    const layers = this.#bars || this.#options.stack ? stacked(this.#series.map(({ values }) => values)) : this.#series.map(({ values }) => ({ lower: [], upper: values }));
    const top = niceTop(Math.max(0, ...layers.flatMap(({ upper }) => upper.filter((value) => value !== null))));
    const y = linear(0, top, HEIGHT - BELOW, ABOVE);
    const right = this.#width;
    const drawn = [];
    for (const value of [top, top / 2, 0]) {
      const at = Math.round(y(value)) + 0.5;
      drawn.push(svg("line", { class: value === 0 ? "base" : "grid", x1: 0, x2: right, y1: at, y2: at }));
      if (value > 0) drawn.push(svg("text", { class: "tick", x: 0, y: at - 4 }, short(value)));
    }
    for (const { index, time } of timeTicks(this.#history.end, this.#history.step, STEPS)) {
      const at = this.#x(index);
      const anchor = at < 24 ? "start" : at > right - 24 ? "end" : "middle";
      drawn.push(svg("text", { class: "tick", x: at, y: HEIGHT - 4, "text-anchor": anchor }, clock(time, false)));
    }
    this.#marks.forEach(({ index }) => {
      const at = this.#x(index);
      drawn.push(svg("g", { class: "gap" }, svg("line", { x1: at, x2: at, y1: ABOVE - 4, y2: HEIGHT - BELOW }), svg("path", { d: `M${at - 5} 2h10l-5 8Z` })));
    });
    const step = this.#width / STEPS;
    layers.forEach(({ lower, upper }, number) => {
      const { hue } = this.#series[number];
      if (this.#bars) drawn.push(svg("path", { class: `mark hue-${hue}`, d: barPath(lower, upper, this.#x, y, Math.max(1, step * 0.82)) }));
      else {
        if (this.#options.stack || layers.length === 1) drawn.push(svg("path", { class: `area hue-${hue}`, d: areaPath(lower, upper, this.#x, y) }));
        drawn.push(svg("path", { class: `line hue-${hue}`, "stroke-dasharray": this.#options.stack ? "none" : DASHES[number % DASHES.length], d: linePath(upper, this.#x, y) }));
      }
    });
    drawn.push(svg("line", { class: "cursor", y1: ABOVE - 6, y2: HEIGHT - BELOW }));
    picture.setAttribute("viewBox", `0 0 ${right} ${HEIGHT}`);
    picture.replaceChildren(...drawn);
    const isEmpty = this.#series.every(({ values }) => values.every((value) => !value));
    empty.hidden = !isEmpty || !this.#options.empty;
    empty.textContent = this.#options.empty ?? "";
    legend.hidden = this.#series.length < 2 && (!this.#bars || isEmpty);
    this.#read();
  }

  /** Shows the values at the time that is looked at, or now. */
  #read() {
    if (!this.#history) return;
    const { value, time, plot, legend, picture } = this.#parts;
    const { index } = this.#cursor;
    const { whole } = this.#options;
    const unit = index === null && whole ? whole : this.#options.unit;
    const at = index ?? STEPS - 1;
    const last = newest(this.#series.map((one) => one.values));
    const now = ({ values }) => (whole ? total(values) : (values[last] ?? null));
    const values = this.#series.map((one) => (index === null ? now(one) : one.values[index]));
    const shown = values.every((one) => one === null) ? null : (this.#options.copies ? largest : total)(values);
    const when = clock(timeAt(this.#history, at));
    const mark = this.#marks.find((one) => one.index === index);
    const gap = mark ? `gap: ${Object.keys(mark.reasons).join(", ")}` : "";
    value.replaceChildren(rate(shown), h("span", { class: "unit" }, unit));
    time.replaceChildren(index === null ? "" : when, mark ? h("span", { class: "diamond", role: "img", "aria-label": "gap" }) : "", mark ? Object.keys(mark.reasons).join(", ") : "");
    const entries = this.#series.map(({ name, hue }, number) =>
      h("li", { class: `hue-${hue}` }, h("span", { class: "swatch", "aria-hidden": "true" }), h("span", { class: "name" }, name), " ", h("b", {}, rate(values[number]))));
    legend.replaceChildren(...entries);
    const parts = this.#series.length > 1 ? this.#series.map(({ name }, number) => `${name} ${rate(values[number])}`) : [];
    plot.setAttribute("aria-valuenow", at);
    plot.setAttribute("aria-valuetext", [`${when}: ${rate(shown)} ${unit}`, ...parts, gap].filter(Boolean).join(", "));
    const line = picture.querySelector(".cursor");
    if (!line) return;
    line.setAttribute("visibility", index === null ? "hidden" : "visible");
    line.setAttribute("x1", this.#x(at));
    line.setAttribute("x2", this.#x(at));
  }

  #drawTable() {
    const { table, heads, rows } = this.#parts;
    if (!table.open || !this.#history) return;
    const series = [...this.#series];
    if (this.#marks.length) {
      const counts = Array.from({ length: STEPS }, () => 0);
      for (const { index, reasons } of this.#marks) counts[index] = total(Object.values(reasons));
      series.push({ name: "gaps", values: counts });
    }
    const isTotal = (index) => this.#options.how === "total" || series[index].name === "gaps";
    const names = series.map(({ name }) => name);
    const cell = (text) => h("th", { scope: "col", class: "numeric" }, text);
    heads.replaceChildren(h("th", { scope: "col" }, "Minute until"), ...names.map(cell));
    const means = minutes(this.#history, series, mean);
    const totals = minutes(this.#history, series, total);
    const lines = means.map((row, at) =>
      h("tr", {}, h("th", { scope: "row" }, clock(row.time)), row.values.map((value, index) => h("td", { class: "numeric" }, rate(isTotal(index) ? totals[at].values[index] : value)))));
    rows.replaceChildren(...lines);
  }

  #point(event) {
    const box = this.#parts.plot.getBoundingClientRect();
    this.#cursor.move(Math.round(linear(2, box.width - 2, 0, STEPS - 1)(event.clientX - box.left)));
  }

  #key(event) {
    const from = this.#cursor.index ?? STEPS - 1;
    const moves = { ArrowLeft: from - 1, ArrowRight: from + 1, ArrowDown: from - 1, ArrowUp: from + 1, PageDown: from - 12, PageUp: from + 12, Home: 0, End: STEPS - 1 };
    if (event.key === "Escape") this.#cursor.move(null);
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.#cursor.move(moves[event.key]);
  }
}

/** A small line without axes, for a row of a table. */
export function sparkline(values, hue) {
  const [width, height] = [96, 22];
  const top = niceTop(Math.max(0, ...values.map((value) => value ?? 0)));
  const x = linear(0, values.length - 1, 1, width - 1);
  const y = linear(0, top, height - 2, 2);
  return svg(
    "svg", { class: `sparkline hue-${hue}`, width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    svg("path", { class: "area", d: areaPath([], values, x, y) }), svg("path", { class: "line", d: linePath(values, x, y) }),
  );
}
