// What was lost in the last 15 minutes and why, and how calls of Django ended: each label with its number and in words.

import { sparkline } from "./chart.js";
import { h } from "./dom.js";
import { clock, count } from "./format.js";
import { HUES } from "./figures.js";
import { begin, ranked } from "./model.js";
import { BACKEND, BRIDGE, DROPS, GAPS, WELL, advice, meaning } from "./words.js";

export class Losses {
  #list = h("ul", { class: "words", "data-testid": "op-losses" });
  #none = h("p", { class: "nothing", hidden: true, "data-testid": "op-losses-none" });
  element = h(
    "section", { class: "panel part-of", "aria-labelledby": "op-losses-title", id: "op-losses-section" },
    h("div", { class: "title" }, h("h2", { id: "op-losses-title" }, "What was lost, and why")), this.#none, this.#list,
  );

  show({ history, silent }) {
    if (!history) return;
    const gaps = ranked(history.gaps).map(({ name, total }) =>
      entry({ name, total, words: GAPS, sign: h("span", { class: "diamond", role: "img", "aria-label": "gap" }), kind: "gap" }));
    const drops = ranked(history.drops).map(({ name, total }, index) =>
      entry({ name, total, words: DROPS, sign: h("span", { class: `swatch hue-${index < HUES ? index : "rest"}`, role: "img", "aria-label": "drop" }), kind: "drop" }));
    this.#list.replaceChildren(...gaps, ...drops);
    this.#list.hidden = gaps.length + drops.length === 0;
    const since = begin(history);
    this.#none.hidden = !this.#list.hidden || since === undefined;
    if (this.#none.hidden) return;
    // What a silent node has lost is not known.
    this.#none.classList.toggle("well", silent.length === 0);
    this.#none.textContent = `Nothing was lost since ${clock(since, false)}: no drop and no gap${silent.length ? " on the nodes that answer" : ""}.`;
  }
}

function entry({ name, total, words, sign, kind }) {
  return h(
    "li", { data: { kind, label: name } },
    h("p", { class: "what" }, sign, h("code", {}, name), kind === "gap" && h("span", { class: "chip" }, "gap"), h("b", { class: "number" }, count(total))),
    h("p", { class: "meaning" }, meaning(words, name), " ", h("span", { class: "hint" }, advice(words, name))),
  );
}

export class Django {
  #bridge = part("Calls of consumers", "op-bridge", "No consumer was called in Django.");
  #backend = part("Questions to Django", "op-backend", "No question was asked.");
  element = h(
    "section", { class: "panel part-of", "aria-labelledby": "op-django-title", id: "op-django-section" },
    h("div", { class: "title" }, h("h2", { id: "op-django-title" }, "Django"), h("p", { class: "hint" }, "calls of the last 15 minutes by outcome")),
    h("div", { class: "pair" }, this.#bridge.element, this.#backend.element),
  );

  show({ history }) {
    if (!history) return;
    this.#bridge.show(history.bridge, BRIDGE);
    this.#backend.show(history.backend, BACKEND);
  }
}

function part(title, testid, empty) {
  const list = h("ul", { class: "words", "data-testid": testid });
  const none = h("p", { class: "nothing", hidden: true }, empty);
  const show = (labels, words) => {
    const all = ranked(labels);
    list.replaceChildren(
      ...all.map(({ name, total, values }) =>
        h("li", { class: WELL.has(name) ? "" : "bad", data: { label: name } },
          h("p", { class: "what" }, h("code", {}, name), sparkline(values, WELL.has(name) ? 0 : 2), h("b", { class: "number" }, count(total))),
          h("p", { class: "meaning" }, meaning(words, name), " ", h("span", { class: "hint" }, advice(words, name))))),
    );
    none.hidden = all.length > 0;
  };
  return { element: h("div", { class: "half" }, h("h3", {}, title), none, list), show };
}
