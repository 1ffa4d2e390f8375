// Where the dots of the river are: a pure model. Times come in with each call; nothing here draws.
//
// The river runs from Django (0) to the shore of this browser (SHORE), and on (1) through the last seconds, so that a dot
// that took three milliseconds can still be seen, and clicked. A dot that has come travels its measured time, stretched.
// A dot that has not come stops on its way, and falls out of its lane when it is clear that it does not come.

import type { Fate } from "../../stream/types";

export const SHORE = 0.7;
/** Milliseconds on the screen for one that was measured. */
export const STRETCH = 40;
/** The shortest and the longest travel on the screen. */
export const SHORTEST = 120;
const LONGEST = 6_000;
/** How long a dot stays in sight after it has landed. */
export const BANK = 20_000;
/** A dot is shown as one that has not come after this time. */
export const WAIT = 400;
/** An event that does not come gets this far. */
const MIDDLE = SHORE * 0.55;
const CRAWL = 900;
const FALL = 500;
const CLOSE = 600;
const DOTS = 700;

export interface Dot {
  readonly key: string;
  /** The system's number. */
  readonly hue: number;
  readonly lane: number;
  /** From -1 to 1, so that dots of one moment do not hide each other. */
  readonly spread: number;
  readonly isCarried: boolean;
  /** When it began to be shown, from where, and how long it travels; one that is not carried has no end. */
  readonly since: number;
  readonly from: number;
  readonly travel: number;
  /** Where it has stopped. */
  readonly fallen: { readonly at: number; readonly x: number; readonly isLost: boolean } | null;
  /** Loaded anew: the ring closes, and lands. */
  readonly closed: number | null;
}

export interface Place {
  readonly x: number;
  /** Lanes below its own: 0 in the lane, 1 fallen. */
  readonly fall: number;
  readonly shape: "dot" | "ring";
  readonly alpha: number;
  readonly isLost: boolean;
  /** Since when it is on the shore; null: it is on its way. */
  readonly landed: number | null;
}

export interface River {
  /** It has come: `measured` milliseconds, or null where that is not known. */
  carried(key: string, hue: number, lane: number, measured: number | null, now: number): void;
  /** Django has sent it, and it has not come. */
  adrift(key: string, hue: number, lane: number, now: number): void;
  /** null: it does not count any more. */
  fate(key: string, fate: Fate | null, now: number): void;
  /** The node of this lane is gone: what has come through it lands at once. */
  cut(lane: number, now: number): void;
  dots(): Iterable<Dot>;
  /** Forgets what is out of sight; whether anything is left, and whether anything of it is on its way. */
  prune(now: number): { readonly isEmpty: boolean; readonly isMoving: boolean };
}

export function createRiver(random: () => number = Math.random): River {
  const dots = new Map<string, Dot>();
  const put = (dot: Dot) => {
    dots.set(dot.key, dot);
    if (dots.size > DOTS) dots.delete(dots.keys().next().value!);
  };
  return {
    carried(key, hue, lane, measured, now) {
      const before = dots.get(key);
      const travel = Math.min(LONGEST, Math.max(SHORTEST, (measured ?? 5) * STRETCH));
      const rest = { spread: before?.spread ?? random() * 2 - 1, isCarried: true, since: now, fallen: null, closed: null };
      if (before?.isCarried) return;
      // One that was waited for goes on from where it is.
      put(before ? { ...rest, key, hue, lane: before.lane, from: placeOf(before, now).x, travel: SHORTEST * 2 } : { ...rest, key, hue, lane, from: 0, travel });
    },
    adrift(key, hue, lane, now) {
      if (!dots.has(key)) put({ key, hue, lane, spread: random() * 2 - 1, isCarried: false, since: now, from: 0, travel: Infinity, fallen: null, closed: null });
    },
    fate(key, fate, now) {
      const dot = dots.get(key);
      if (!dot || dot.isCarried) return;
      // It has come where this page does not see it, or is not expected any more.
      if (fate === null || fate === "shown") return void dots.delete(key);
      const { x } = placeOf(dot, now);
      if (fate === "waiting" || fate === "lost") put({ ...dot, fallen: { at: dot.fallen?.at ?? now, x: dot.fallen?.x ?? x, isLost: fate === "lost" }, closed: null });
      if (fate === "anew") put({ ...dot, fallen: dot.fallen ?? { at: now, x, isLost: false }, closed: now });
      if (fate === "pending" && dot.fallen) put({ ...dot, fallen: null });
    },
    cut(lane, now) {
      for (const dot of dots.values()) {
        if (dot.lane !== lane || !dot.isCarried) continue;
        const { x, landed } = placeOf(dot, now);
        if (landed === null) put({ ...dot, from: x, since: now, travel: SHORTEST });
      }
    },
    dots: () => dots.values(),
    prune(now) {
      let isMoving = false;
      for (const dot of dots.values()) {
        const { landed, alpha } = placeOf(dot, now);
        if (alpha <= 0) dots.delete(dot.key);
        else if (landed === null && !(dot.fallen && now - dot.fallen.at > FALL && dot.closed === null)) isMoving = true;
      }
      return { isEmpty: dots.size === 0, isMoving };
    },
  };
}

const onBank = (landed: number, now: number): Pick<Place, "x" | "alpha" | "landed"> => {
  const part = (now - landed) / BANK;
  return { x: SHORE + (1 - SHORE) * Math.min(1, part), alpha: Math.max(0, 1 - part ** 3), landed };
};

export function placeOf(dot: Dot, now: number): Place {
  const { fallen, closed, since, from, travel, isCarried } = dot;
  if (isCarried) {
    const part = (now - since) / travel;
    if (part >= 1) return { ...onBank(since + travel, now), fall: 0, shape: "dot", isLost: false };
    return { x: from + (SHORE - from) * Math.max(0, part), fall: 0, shape: "dot", alpha: 1, isLost: false, landed: null };
  }
  if (!fallen) return { x: MIDDLE * (1 - Math.exp(-(now - since) / CRAWL)), fall: 0, shape: "dot", alpha: 0.75, isLost: false, landed: null };
  const down = ease((now - fallen.at) / FALL);
  if (closed === null) {
    // One that has not come stays in sight three times as long, and fades.
    const alpha = Math.max(0, Math.min(1, 4 - (now - fallen.at) / BANK));
    return { x: fallen.x, fall: down, shape: "ring", alpha, isLost: fallen.isLost, landed: null };
  }
  const part = (now - closed) / CLOSE;
  if (part >= 1) return { ...onBank(closed + CLOSE, now), fall: 0, shape: "dot", isLost: false };
  return { x: fallen.x + (SHORE - fallen.x) * ease(part), fall: down * (1 - ease(part)), shape: part > 0.4 ? "dot" : "ring", alpha: 1, isLost: false, landed: null };
}

const ease = (part: number): number => 1 - (1 - Math.min(1, Math.max(0, part))) ** 3;
