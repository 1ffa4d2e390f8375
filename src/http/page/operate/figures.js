// The figures of the cluster, and the four charts of the last 15 minutes.

import { Chart, Cursor } from "./chart.js";
import { h } from "./dom.js";
import { count, rate } from "./format.js";
import { gaps, largest, lines, newest, perSecond, ranked, sum } from "./model.js";

/** Colours that tell series apart; a further one is grey. */
export const HUES = 6;

/** More nodes than this are one line: as many lines could not be told apart. */
const LINES = 6;

/** The hue of each node, by the order of their names, so that it is the same in every chart and table. */
export function hues(state) {
  const known = lines(state.history).map(({ nodes, name }) => ({ nodes: [...nodes], name }));
  for (const { node } of state.perNode) {
    if (known.some(({ nodes }) => nodes.includes(node))) continue;
    const name = state.names[node] ?? node;
    const same = known.find((line) => line.name === name);
    if (same) same.nodes.push(node);
    else known.push({ nodes: [node], name });
  }
  known.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return new Map(known.flatMap(({ nodes }, index) => nodes.map((node) => [node, index < HUES ? index : "rest"])));
}

export class Figures {
  element = h("dl", { class: "counters", "aria-label": "Figures of the cluster", "data-testid": "op-figures" });

  show(state) {
    const { history } = state;
    const lost = (labels) => sum(Object.values(labels ?? {}).map(sum));
    const at = history ? newest([history.events]) : -1;
    const now = (value) => (history ? rate((value ?? 0) / history.step) : "–");
    // Each node has its own copy of an event, so the copies are not added up.
    const received = history && largest(history.perNode.map(({ events }) => events[at] ?? null));
    const ready = state.perNode.filter((node) => node.ready !== false).length;
    const all = state.nodes;
    const wrong = { drops: lost(history?.drops), gaps: lost(history?.gaps) };
    const figures = [
      ["nodes", ready === all ? count(all) : `${ready} of ${all}`, ready === all ? all === 1 ? "node" : "nodes" : "nodes ready", ready !== all],
      ["connections", count(state.connections), "connections"],
      ["users", count(state.users), "users present"],
      ["rooms", count(state.rooms), "Socket.IO rooms"],
      ["events", now(received), "events/s"],
      ["deliveries", now(history?.deliveries[at]), "deliveries/s"],
      ["drops", count(wrong.drops), "drops in 15 min"],
      ["gaps", count(wrong.gaps), "gaps in 15 min", wrong.gaps > 0],
    ];
    this.element.replaceChildren(
      ...figures.map(([id, value, name, bad]) =>
        h("div", { class: bad && "bad" }, h("dt", {}, name), h("dd", { "data-testid": `op-${id}` }, value))),
    );
  }
}

export class Charts {
  element;
  #events;
  #deliveries;
  #connections;
  #drops;

  constructor() {
    const cursor = new Cursor();
    const chart = (options) => new Chart(options, cursor);
    this.#events = chart({ title: "Events received", testid: "op-chart-events", unit: "per second", kind: "line", copies: true, how: "mean", note: "each node counts its copy" });
    this.#deliveries = chart({ title: "Deliveries", testid: "op-chart-deliveries", unit: "per second", kind: "line", how: "mean", note: "frames to clients" });
    this.#connections = chart({ title: "Connections", testid: "op-chart-connections", unit: "open", kind: "line", stack: true, how: "mean" });
    this.#drops = chart({ title: "Drops by reason", testid: "op-chart-drops", unit: "in 5 s", whole: "in 15 min", kind: "bar", how: "total", empty: "No drop." });
    const heading = h("h2", { class: "visually-hidden" }, "The last 15 minutes");
    this.element = h("div", { class: "charts" }, heading, [this.#events, this.#deliveries, this.#connections, this.#drops].map(({ element }) => element));
  }

  show(state, hue) {
    const { history } = state;
    if (!history) return;
    const marks = gaps(history);
    const nodes = lines(history);
    const perNode = (of, whole) => {
      const several = nodes.length > 1 && nodes.length <= LINES;
      return several ? nodes.map((node) => ({ name: node.name, hue: hue.get(node.nodes[0]), values: of(node) })) : [{ name: nodes.length > LINES ? "all nodes" : "the node", hue: 0, values: whole }];
    };
    const rates = (values) => perSecond(values, history.step);
    const most = history.events.map((_, index) => largest(nodes.map(({ events }) => events[index])));
    this.#events.show(history, perNode((node) => rates(node.events), rates(most)), marks);
    this.#deliveries.show(history, [{ name: "all nodes", hue: 0, values: rates(history.deliveries) }], marks);
    this.#connections.show(history, perNode((node) => node.connections, history.connections), marks);
    // Without a drop there is still a line of zeros: the axis and the gaps are there.
    const drops = ranked(history.drops, HUES + 1).map(({ name, values }, index) => ({ name, values, hue: index < HUES ? index : "rest" }));
    const none = { name: "drops", hue: "rest", values: history.events.map((value) => (value === null ? null : 0)) };
    this.#drops.show(history, drops.length ? drops : [none], marks);
  }
}
