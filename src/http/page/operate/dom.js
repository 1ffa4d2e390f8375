// Makes elements. Text is always text, never markup: names come from clients and from other programs.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `class`, `on` (`{ event: handler }`), `data` and attributes; false and undefined leave an attribute out. */
export const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);

/** The same for SVG. */
export const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === false || value === null) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** A button; it is never one that submits by accident. */
export const button = (text, testid, click, attributes) =>
  h("button", { type: "button", "data-testid": testid, on: { click }, ...attributes }, text);

/** A field with its label. */
export function field(text, testid, attributes, tag = "input") {
  const input = h(tag, { "data-testid": testid, autocomplete: "off", spellcheck: "false", autocapitalize: "none", ...attributes });
  return { input, label: h("label", {}, text, input) };
}

/** A bar whose length is a share of the largest; what it says stands beside it in digits. */
export const bar = (share) =>
  svg("svg", { class: "bar", "aria-hidden": "true" }, svg("rect", { width: "100%", height: "100%", class: "track" }), svg("rect", { width: `${(share > 0 ? Math.max(1, share * 100) : 0).toFixed(1)}%`, height: "100%" }));

/** The old row with the cells of the new one that differ. */
function updated(row, made) {
  [...made.children].forEach((cell, index) => row.children[index].isEqualNode(cell) || row.children[index].replaceWith(cell));
  return row;
}

/**
 * A table that becomes cards where the window is narrow. Roles are named, because `display: block` takes them away.
 * `columns`: `[{ title, of, numeric, head, share }]`; `of(row)` makes what a cell contains. `compact` cards have no labels:
 * the name, the number, and the bar of its share below.
 */
export class Table {
  element;
  #columns;
  #body = h("tbody", { role: "rowgroup" });

  constructor(caption, testid, columns, compact = false) {
    this.#columns = columns;
    const heads = columns.map(({ title, numeric, share }) =>
      h("th", { role: "columnheader", scope: "col", class: numeric && "numeric" }, share ? h("span", { class: "visually-hidden" }, title) : title));
    this.element = h(
      "table", { role: "table", "data-testid": testid, class: compact ? "table compact" : "table" },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
      this.#body,
    );
  }

  /** Shows these rows; `key(row)` names one. What has not changed stays, so that it can be selected and keeps the focus. */
  show(rows, key) {
    const focused = document.activeElement?.closest?.("tr")?.parentNode === this.#body && document.activeElement;
    const place = focused && [focused.closest("tr").dataset.key, focused.dataset.testid];
    const old = new Map([...this.#body.children].map((row) => [row.dataset.key, row]));
    const shown = rows.map((row) => {
      const made = this.#row(row, key(row));
      const kept = old.get(made.dataset.key);
      // Two rows may have the same key.
      old.delete(made.dataset.key);
      return kept ? updated(kept, made) : made;
    });
    const stays = new Set(shown);
    for (const row of [...this.#body.children]) if (!stays.has(row)) row.remove();
    shown.forEach((row, index) => this.#body.children[index] !== row && this.#body.insertBefore(row, this.#body.children[index] ?? null));
    if (!place || this.#body.contains(document.activeElement)) return;
    const again = this.#body.querySelector(`[data-key="${CSS.escape(place[0])}"] [data-testid="${CSS.escape(place[1])}"]`);
    // The row has gone. The keyboard goes on from this part of the page, not from the page's beginning.
    const part = this.element.closest("section");
    part.tabIndex = -1;
    (again ?? part).focus({ preventScroll: true });
  }

  #row(row, key) {
    const cells = this.#columns.map(({ title, of, numeric, head, share }) => {
      const content = of(row);
      const attributes = { role: head ? "rowheader" : "cell", scope: head && "row", class: numeric ? "numeric" : share && "share", "data-label": title };
      return h(head ? "th" : "td", attributes, content);
    });
    return h("tr", { role: "row", "data-key": key }, cells);
  }
}
