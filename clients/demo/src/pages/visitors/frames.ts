// Places on the wall: who has one keeps it, so that nobody moves when somebody comes or goes.

import { useState } from "react";

/** Keeps those who are still wanted in their places, and gives the free ones to the others, first ones first. */
export function place(before: readonly (number | null)[], wanted: readonly number[]): readonly (number | null)[] {
  const left = new Set(wanted);
  const places = before.map((id) => (id !== null && left.delete(id) ? id : null));
  for (const id of left) {
    const free = places.indexOf(null);
    if (free < 0) places.push(id);
    else places[free] = id;
  }
  return places;
}

const same = (a: readonly (number | null)[], b: readonly (number | null)[]): boolean => a.length === b.length && a.every((id, index) => id === b[index]);

/** `least` places at least. */
export function useFrames(wanted: readonly number[], least: number): readonly (number | null)[] {
  const [frames, setFrames] = useState<readonly (number | null)[]>(() => Array.from({ length: least }, () => null));
  const next = place(frames, wanted);
  if (same(frames, next)) return frames;
  setFrames(next);
  return next;
}
