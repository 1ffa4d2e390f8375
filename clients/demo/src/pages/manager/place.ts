// Where each check-in stands on the strip of the day.

import type { CheckIn } from "./data";

const HOUR = 3_600_000;
const MARGIN = 600_000;
/** For the name of an hour, in pixels. */
const ROOM = 54;

export interface Span {
  readonly from: number;
  readonly to: number;
  /** Full hours that are named. */
  readonly hours: readonly number[];
}

/** From a little before the first check-in to a little after now, in milliseconds since 1970. */
export function spanOf(checkIns: readonly CheckIn[], now: number, width: number): Span {
  const times = checkIns.map(({ check_in_time }) => Date.parse(check_in_time ?? "")).filter((time) => time > now - 24 * HOUR);
  const from = Math.min(...times, now - 2 * HOUR) - 2 * MARGIN;
  const to = Math.max(...times, now) + 3 * MARGIN;
  // Each hour that is named has room for its name; of many hours only some are.
  const room = ((to - from) / width) * ROOM;
  const step = HOUR * Math.ceil(room / HOUR);
  const first = new Date(from).setMinutes(60, 0, 0);
  return { from, to, hours: Array.from({ length: Math.max(0, Math.ceil((to - room - first) / step)) }, (_, index) => first + index * step) };
}

export interface Placed {
  readonly id: string;
  /** From the left, in pixels. */
  readonly x: number;
  /** 0 is beside the line. */
  readonly level: number;
}

/** Each at its time, as near to the line as others leave room; where all levels are taken it goes to the right, at the end to the left. */
export function place(checkIns: readonly (readonly [id: string, at: number])[], { from, to }: Span, width: number, pitch: number, levels: number): readonly Placed[] {
  const ends = Array.from({ length: levels }, () => -Infinity);
  const placed = [...checkIns]
    .sort(([, a], [, b]) => a - b)
    .map(([id, at]) => {
      const wanted = ((at - from) / (to - from)) * width;
      const free = ends.map((end) => Math.max(wanted, end + pitch));
      const level = free.indexOf(Math.min(...free));
      return { id, x: (ends[level] = free[level]!), level };
    });
  const limits = Array.from({ length: levels }, () => width - pitch / 2);
  for (const one of [...placed].reverse()) {
    one.x = Math.min(one.x, limits[one.level]!);
    limits[one.level] = one.x - pitch;
  }
  return placed;
}
