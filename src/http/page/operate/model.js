// What the page knows of the cluster, out of the messages of the live stream. Pure: nothing here touches the page or a socket.

/** How many steps of `history` are kept: 15 minutes of 5 s. */
export const STEPS = 180;

const GROUPS = ["drops", "gaps", "bridge", "backend"];
const PLAIN = ["events", "deliveries", "connections"];

const EMPTY = {
  nodes: 0, connections: 0, users: 0, rooms: 0, perNode: [], consumers: [], largestRooms: [], slow: [], silent: [],
};

/** What is known after a message; `known` is undefined before the first. */
export function after(known, message) {
  const { type, data, ...rest } = message;
  const said = { ...rest, ...data };
  if (type !== "stats" && type !== "sample") return known;
  const base = type === "stats" || !known ? { ...EMPTY, names: known?.names } : known;
  // Before the first samples history has neither steps nor an end.
  const history = said.history?.end ? joined(type === "stats" ? undefined : base.history, said.history) : base.history;
  // Ids come from Redis: one that is the name of a property of every object is a name like any other.
  const names = Object.assign(Object.create(null), base.names);
  for (const { node, name } of said.perNode ?? []) names[node] = name ?? node;
  for (const { node, name } of history?.perNode ?? []) names[node] ??= name ?? node;
  return { ...base, ...said, history, names };
}

/** `older` continued by `newer`: what `newer` covers is taken from there. Both end at a time of their own. */
export function joined(older, newer) {
  const { step } = newer;
  const end = Math.max(older?.end ?? 0, newer.end);
  const at = (history, values, index) => {
    if (!history || !values) return undefined;
    return values[values.length - 1 + Math.round((end - history.end) / step) - (STEPS - 1 - index)];
  };
  const whole = (make) => Array.from({ length: STEPS }, (_, index) => make(index));
  // A series that one of both lacks was 0 there, as long as any node had a sample.
  const series = (of, absent) =>
    whole((index) => {
      for (const history of [newer, older]) {
        if (!history || at(history, history.events, index) === undefined) continue;
        const value = at(history, of(history), index);
        if (value !== undefined) return value;
        return at(history, history.events, index) === null ? null : absent;
      }
      return null;
    });
  const result = { step, end };
  for (const name of PLAIN) result[name] = series((history) => history[name], null);
  for (const name of GROUPS) {
    const labels = new Set([...Object.keys(older?.[name] ?? {}), ...Object.keys(newer[name] ?? {})]);
    const kept = [...labels].map((label) => [label, series((history) => history[name]?.[label], 0)]);
    result[name] = Object.fromEntries(kept.filter(([, values]) => values.some((value) => value)));
  }
  const ids = new Map();
  for (const history of [older, newer]) for (const { node, name } of history?.perNode ?? []) ids.set(node, name ?? node);
  const own = (node, name) => (history) => history.perNode?.find((one) => one.node === node)?.[name];
  result.perNode = [...ids]
    .map(([node, name]) => ({
      node, name, events: series(own(node, "events"), null), connections: series(own(node, "connections"), null),
    }))
    .filter(({ connections, events }) => [...connections, ...events].some((value) => value !== null));
  return result;
}

/** The sum of the values that are there. */
export const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

/** The largest of the values that are there; null if all are missing. */
export const largest = (values) => values.reduce((most, value) => (value === null || (most !== null && value <= most) ? most : value), null);

/** The last step of which any of these has a value, which is "now"; -1 if all are missing. A node that has ended has none there. */
export const newest = (all) => Math.max(-1, ...all.map((values) => values.findLastIndex((value) => value !== null)));

/**
 * The nodes' lines, by name: `[{ nodes: ids, name, events, connections }]`. A node that was restarted has another id and the same
 * name, and goes on with its line. Two that live at the same time have a line each.
 */
export function lines(history) {
  const found = [];
  const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.node.localeCompare(b.node);
  const isFree = (line, values) => values.every((value, index) => value === null || line[index] === null);
  const filled = (line, values) => line.map((value, index) => value ?? values[index]);
  for (const { node, name, events, connections } of [...(history?.perNode ?? [])].sort(byName)) {
    const line = found.find((one) => one.name === name && isFree(one.events, events) && isFree(one.connections, connections));
    if (line) Object.assign(line, { nodes: [...line.nodes, node], events: filled(line.events, events), connections: filled(line.connections, connections) });
    else found.push({ nodes: [node], name, events, connections });
  }
  return found;
}

/** Increments per step as a rate per second. */
export const perSecond = (values, step) => values.map((value) => (value === null ? null : value / step));

/** `{ label: values }` as `[{ name, values, total }]`, most first; beyond `most` the rest is one series, "other". */
export function ranked(labels, most = Infinity) {
  const all = Object.entries(labels ?? {}).map(([name, values]) => ({ name, values, total: sum(values) }));
  all.sort((a, b) => b.total - a.total || a.name.localeCompare(b.name));
  if (all.length <= most) return all;
  const rest = all.slice(most - 1);
  const values = rest[0].values.map((_, index) => {
    const here = rest.map((one) => one.values[index]);
    return here.every((value) => value === null) ? null : sum(here);
  });
  return [...all.slice(0, most - 1), { name: "other", values, total: sum(values) }];
}

/** Where gaps were: `[{ index, reasons: { reason: count } }]`. */
export function gaps(history) {
  const found = new Map();
  for (const [reason, values] of Object.entries(history.gaps)) {
    for (const [index, value] of values.entries()) {
      if (value) found.set(index, { ...found.get(index), [reason]: value });
    }
  }
  return [...found].sort(([a], [b]) => a - b).map(([index, reasons]) => ({ index, reasons }));
}

/** Unix seconds from which on something is known; undefined if nothing is. */
export function begin(history) {
  const first = history.events.findIndex((value) => value !== null);
  return first < 0 ? undefined : timeAt(history, first) - history.step;
}

/** Unix seconds at the end of the step with this index. */
export const timeAt = (history, index) => history.end - (STEPS - 1 - index) * history.step;

/** Rows of a minute each, newest first: `[{ time, values: [per series] }]`; `how` makes one number of a minute's. */
export function minutes(history, series, how) {
  const size = Math.round(60 / history.step);
  const rows = [];
  for (let last = STEPS - 1; last >= size - 1; last -= size) {
    const values = series.map((one) => {
      const present = one.values.slice(last - size + 1, last + 1).filter((value) => value !== null);
      return present.length ? how(present) : null;
    });
    if (values.some((value) => value !== null)) rows.push({ time: timeAt(history, last), values });
  }
  return rows;
}

export const total = (values) => sum(values);
export const mean = (values) => sum(values) / values.length;
