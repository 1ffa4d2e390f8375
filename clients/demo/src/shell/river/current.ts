// Runs the river: follows the stream, keeps the model, and draws frames as long as there is something to see.

import { systemOf, type SystemId } from "../../systems";
import { keyOf } from "../../stream/records";
import type { Stream } from "../../stream/stream";
import { draw, paletteOf, spotOf, type Lane, type Palette, type Scene } from "./draw";
import { createRiver, SHORTEST, WAIT } from "./model";

/** More lanes than this would be too thin. */
export const LANES = 5;
/** A click that is this far away from a dot means it. */
const NEAR = 14;
/** Dots on the shore move so slowly that each third frame is enough. */
const CALM = 50;
const STILL = 1_000;

export interface Current {
  /** The event whose dot is nearest. */
  at(x: number, y: number): string | null;
  end(): void;
}

export function startRiver(canvas: HTMLCanvasElement, stream: Stream): Current {
  const context = canvas.getContext("2d")!;
  const river = createRiver();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const themes = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("(forced-colors: active)")];
  const tookOver = new Map<string, number>();
  /** Which node a system's events go through, also while it is being lost. */
  const through = new Map<SystemId, string>();
  const waited = new Set<ReturnType<typeof setTimeout>>();
  let size = { width: 0, height: 0 };
  let palette: Palette = paletteOf(canvas.parentElement!);
  let lanes: readonly Lane[] = [];
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let drawn = 0;

  const scene = (now: number): Scene => ({ ...size, lanes, dots: river.dots(), palette, now, isStill: still.matches });

  const paint = () => {
    frame = 0;
    const now = performance.now();
    const { isEmpty, isMoving } = river.prune(now);
    const isGlowing = lanes.some((lane) => now - lane.tookOver < 2_000);
    if (isMoving || isGlowing || now - drawn > CALM) {
      drawn = now;
      draw(context, scene(now));
    }
    if (!isEmpty || isGlowing) again(still.matches ? STILL : isMoving || isGlowing ? 0 : CALM);
  };

  const again = (ms = 0) => {
    clearTimeout(timer);
    if (document.hidden) return;
    if (ms > 0) timer = setTimeout(() => again(), ms);
    else frame ||= requestAnimationFrame(paint);
  };

  const follow = () => {
    const before = lanes;
    lanes = stream
      .lanes()
      .slice(0, LANES)
      .map(({ name, state }) => ({ name, isUp: state === "running", tookOver: tookOver.get(name) ?? -Infinity }));
    lanes.forEach(({ isUp }, index) => {
      if (!isUp && before[index]?.isUp) river.cut(index, performance.now());
    });
    drawn = 0;
    again();
  };

  /** -1: it is not known. */
  const laneOf = (node: string | null | undefined) => lanes.findIndex(({ name }) => name === node);

  const stop = stream.listen({
    arrived({ system, at, came, node }, key) {
      if (node) through.set(system, node);
      const lane = laneOf(node);
      if (document.hidden || lane < 0) return;
      // Without motion it appears where it lands.
      const [measured, since] = still.matches ? [0, performance.now() - 2 * SHORTEST] : [at === null ? null : came - at, performance.now()];
      river.carried(key, systemOf(system).hue, lane, measured, since);
      again();
    },
    sent({ n, system, error }) {
      if (error !== null || document.hidden) return;
      const later = setTimeout(() => {
        waited.delete(later);
        const fate = stream.ledger.fateOf(n);
        const lane = laneOf(through.get(system));
        if (fate === null || fate === "shown" || lane < 0) return;
        // Without motion it appears where it stops.
        river.adrift(keyOf(n), systemOf(system).hue, lane, still.matches ? -Infinity : performance.now());
        again();
      }, WAIT);
      waited.add(later);
    },
    fate(n, fate) {
      river.fate(keyOf(n), fate, performance.now());
      again();
    },
    served(system, node) {
      if (through.has(system) && through.get(system) !== node) tookOver.set(node, performance.now());
      through.set(system, node);
      follow();
    },
    nodes: follow,
  });

  const measure = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = Math.min(2, devicePixelRatio || 1);
    size = { width, height };
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawn = 0;
    again();
  });
  measure.observe(canvas);

  const recolour = () => {
    palette = paletteOf(canvas.parentElement!);
    drawn = 0;
    again();
  };
  const seen = () => again();
  for (const theme of themes) theme.addEventListener("change", recolour);
  still.addEventListener("change", seen);
  document.addEventListener("visibilitychange", seen);
  follow();

  return {
    at(x, y) {
      let best: string | null = null;
      let least = NEAR;
      const now = performance.now();
      for (const dot of river.dots()) {
        const spot = spotOf(dot, { ...size, lanes, now });
        const distance = Math.hypot(spot.x - x, spot.y - y);
        if (distance < least) {
          least = distance;
          best = dot.key;
        }
      }
      return best;
    },
    end() {
      stop();
      measure.disconnect();
      for (const theme of themes) theme.removeEventListener("change", recolour);
      still.removeEventListener("change", seen);
      document.removeEventListener("visibilitychange", seen);
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      for (const one of waited) clearTimeout(one);
    },
  };
}
