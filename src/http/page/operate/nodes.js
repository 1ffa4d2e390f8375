// The nodes of the cluster: which, how they are, what each has; and those that do not answer.

import { sparkline } from "./chart.js";
import { Table, h } from "./dom.js";
import { count, listed, rate, since } from "./format.js";
import { STEPS, newest } from "./model.js";

const NONE = Array.from({ length: STEPS }, () => null);

export class Nodes {
  #hue = new Map();
  #series = new Map();
  #step = 1;
  #now = -1;
  /** The nodes' time, which may differ from the browser's. */
  #end;
  #silent = h("p", { class: "notice bad", role: "status", "data-testid": "op-silent" });
  #hint = h("p", { class: "hint", "data-testid": "op-nodes-hint" });
  #table = new Table("The nodes of the cluster", "op-node-table", [
    { title: "Node", head: true, of: (node) => this.#name(node) },
    { title: "State", of: (node) => readiness(node) },
    { title: "Connections", numeric: true, of: (node) => !node.silent && count(node.connections) },
    { title: "Events/s", numeric: true, of: (node) => !node.silent && this.#rate(node) },
    { title: "15 minutes", numeric: true, of: (node) => !node.silent && sparkline(this.#events(node), this.#hue.get(node.node) ?? 0) },
  ]);
  element = h(
    "section", { class: "panel part-of", "aria-labelledby": "op-nodes-title", id: "op-nodes-section" },
    h("div", { class: "title" }, h("h2", { id: "op-nodes-title" }, "Nodes"), this.#hint), this.#silent, this.#table.element,
  );

  show(state, hue) {
    this.#hue = hue;
    this.#step = state.history?.step ?? 1;
    this.#end = state.history?.end;
    this.#now = state.history ? newest([state.history.events]) : -1;
    this.#series = new Map((state.history?.perNode ?? []).map(({ node, events }) => [node, events]));
    const name = (node) => state.names[node] ?? node;
    const answered = new Set(state.perNode.map(({ node }) => node));
    const silent = state.silent.filter((node) => !answered.has(node)).map((node) => ({ node, name: name(node), silent: true }));
    const partly = state.perNode.filter((node) => node.ready === null);
    const all = [...state.perNode, ...silent].sort((a, b) => name(a.node).localeCompare(name(b.node), "en", { numeric: true }));
    this.#table.show(all, (node) => node.name ?? node.node);
    const one = silent.length === 1;
    const notices = [
      silent.length && `${listed(silent.map((each) => each.name))} ${one ? "is" : "are"} alive and did not answer in time. ${one ? "Its" : "Their"} figures are missing on this page.`,
      partly.length && `${listed(partly.map(({ node }) => name(node)))} answered only in part, as a node of another release does: charts, consumers and rooms lack it.`,
    ].filter(Boolean);
    this.#silent.hidden = notices.length === 0;
    if (this.#silent.textContent !== notices.join(" ")) this.#silent.textContent = notices.join(" ");
    const versions = [...new Set(state.perNode.map(({ version }) => version).filter(Boolean))];
    this.#hint.textContent = versions.length > 1
      ? `${versions.length} versions: ${versions.sort().join(", ")}`
      : all.length === 1 ? "One node only: another one that reads the same Redis appears here by itself." : versions.length ? `all of version ${versions[0]}` : "";
  }

  #events({ node }) {
    return this.#series.get(node) ?? NONE;
  }

  #rate(node) {
    const events = this.#events(node)[this.#now] ?? null;
    return rate(events === null ? null : events / this.#step);
  }

  #name(node) {
    const facts = [node.version, node.started && this.#end && `up ${since(node.started, this.#end)}`, node.address].filter(Boolean).join(" · ");
    return h("span", { class: "with-swatch" },
      h("span", { class: `swatch hue-${this.#hue.get(node.node) ?? "rest"}`, "aria-hidden": "true" }),
      h("span", { class: "named" }, h("span", { class: "name" }, node.name ?? node.node), h("span", { class: "facts-of" }, facts || node.node)));
  }
}

function readiness({ silent, ready, reason }) {
  if (silent) return h("span", { class: "state bad" }, "silent");
  if (ready === null || ready === undefined) return h("span", { class: "state warn" }, "answers in part");
  if (ready === false) return [h("span", { class: "state bad" }, "not ready"), reason && h("span", { class: "facts-of" }, reason)];
  return [h("span", { class: reason ? "state warn" : "state good" }, "ready"), reason && h("span", { class: "facts-of" }, reason)];
}
