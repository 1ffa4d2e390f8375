// The geometry of charts: scales, ticks, and paths of SVG. Pure.

const TOPS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** The least round number that is not below `value`, and at least 1: one of `TOPS`, times a power of ten. */
export function niceTop(value) {
  if (!(value > 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return TOPS.map((factor) => factor * power).find((top) => top >= value * 0.9999);
}

/** A linear scale from `[from, to]` to `[start, end]`. */
export const linear = (from, to, start, end) => (value) => start + ((value - from) / (to - from || 1)) * (end - start);

const round = (number) => Math.round(number * 10) / 10;

/** The line through the values that are there; where one is missing it ends and begins anew. A lone value is a dot. */
export function linePath(values, x, y) {
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const begins = index === 0 || values[index - 1] === null;
    path += `${begins ? "M" : "L"}${round(x(index))} ${round(y(value))}`;
    if (begins && (values[index + 1] ?? null) === null) path += "h0.1";
  });
  return path;
}

/** The areas between `lower` and `upper`, one for each run of values that are there. */
export function areaPath(lower, upper, x, y) {
  let path = "";
  for (let start = 0; start < upper.length; ) {
    if (upper[start] === null) {
      start += 1;
      continue;
    }
    let end = start;
    while (end + 1 < upper.length && upper[end + 1] !== null) end += 1;
    const over = [];
    const under = [];
    for (let index = start; index <= end; index += 1) {
      over.push(`${round(x(index))} ${round(y(upper[index]))}`);
      under.unshift(`${round(x(index))} ${round(y(lower[index] ?? 0))}`);
    }
    path += `M${over.join("L")}L${under.join("L")}Z`;
    start = end + 1;
  }
  return path;
}

/** A bar from `lower` to `upper` for each value above 0; it is at least a pixel high, so that one among thousands is seen. */
export function barPath(lower, upper, x, y, width) {
  let path = "";
  upper.forEach((value, index) => {
    const from = lower[index] ?? 0;
    if (value === null || value <= from) return;
    const top = Math.min(y(value), y(from) - 1);
    path += `M${round(x(index) - width / 2)} ${round(y(from))}V${round(top)}h${round(width)}V${round(y(from))}Z`;
  });
  return path;
}

/** Series on top of each other: `[{ lower, upper }]`. */
export function stacked(list) {
  let below = [];
  return list.map((values) => {
    const lower = below;
    const upper = values.map((value, index) => (value === null ? null : value + (lower[index] ?? 0)));
    below = upper.map((value, index) => value ?? lower[index] ?? 0);
    return { lower, upper };
  });
}

/** Full five minutes between the first step and the last: `[{ index, time }]`, both possibly between two steps. */
export function timeTicks(end, step, steps, every = 300) {
  const begin = end - (steps - 1) * step;
  const ticks = [];
  for (let time = Math.ceil(begin / every) * every; time <= end; time += every) ticks.push({ index: (time - begin) / step, time });
  return ticks;
}
