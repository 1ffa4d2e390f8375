// Draws the river on a canvas: lanes, dots, rings. Colours are read from the style sheet, so that themes hold here, too.

import { SYSTEMS } from "../../systems";
import { placeOf, SHORE, type Dot } from "./model";

export interface Lane {
  readonly name: string;
  readonly isUp: boolean;
  /** Since when it has taken systems over. */
  readonly tookOver: number;
}

export interface Palette {
  readonly hues: readonly string[];
  readonly nodes: readonly string[];
  readonly line: string;
  readonly muted: string;
  readonly bad: string;
}

export const NODE_COLOURS = 3;
/** Pixels at both ends, and of the part in which lanes part. */
const EDGE = 4;
const FORK = 38;
const GLOW = 1_600;
/** How long a dot's landing is seen. */
const RING = 420;

/** What the variables of the style sheet are at the moment. */
export function paletteOf(element: HTMLElement): Palette {
  const probe = document.createElement("span");
  element.append(probe);
  const read = (name: string) => {
    probe.className = `probe-${name}`;
    return getComputedStyle(probe).color;
  };
  const palette = {
    hues: SYSTEMS.map(({ hue }) => read(`hue-${hue}`)),
    nodes: Array.from({ length: NODE_COLOURS }, (_, index) => read(`node-${index}`)),
    line: read("line"),
    muted: read("muted"),
    bad: read("bad"),
  };
  probe.remove();
  return palette;
}

export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly lanes: readonly Lane[];
  readonly dots: Iterable<Dot>;
  readonly palette: Palette;
  readonly now: number;
  /** Reduced motion: dots are ticks, where they have landed. */
  readonly isStill: boolean;
}

export const laneHeight = (height: number, lanes: number): number => (height < 20 ? 0 : (height - 8) / Math.max(1, lanes));

/** The middle of a lane, from the top. */
export const laneAt = (height: number, lanes: number, lane: number): number => (height < 20 ? height / 2 : 4 + laneHeight(height, lanes) * (lane + 0.5));

/** Where a lane, or a dot of it, is at this x: lanes part behind Django. */
const yAt = (x: number, y: number, height: number): number => {
  if (height < 20 || x >= FORK) return y;
  const part = Math.max(0, x / FORK);
  return height / 2 + (y - height / 2) * part * part * (3 - 2 * part);
};

/** Where a dot is in the picture. */
export function spotOf(dot: Dot, { width, height, lanes, now }: Pick<Scene, "width" | "height" | "lanes" | "now">): { x: number; y: number } {
  const { x, fall } = placeOf(dot, now);
  const gap = laneHeight(height, lanes.length);
  const y = laneAt(height, lanes.length, dot.lane) + dot.spread * Math.min(2, gap / 6) + fall * gap * 0.42;
  const left = EDGE + x * (width - 2 * EDGE);
  return { x: left, y: Math.min(height < 20 ? height : height - 6, yAt(left, y, height)) };
}

export function draw(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, lanes, palette, now } = scene;
  const isThin = height < 20;
  context.clearRect(0, 0, width, height);
  lanes.forEach((lane, index) => drawLane(context, scene, lane, index));
  const shore = Math.round(EDGE + SHORE * (width - 2 * EDGE)) + 0.5;
  context.globalAlpha = 1;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.setLineDash([]);
  context.beginPath();
  context.moveTo(shore, 0);
  context.lineTo(shore, height);
  context.stroke();
  const radius = isThin ? 2 : 3.5;
  for (const dot of scene.dots) {
    const place = placeOf(dot, now);
    if (place.alpha <= 0) continue;
    const { x, y } = spotOf(dot, scene);
    const colour = place.isLost ? palette.bad : palette.hues[dot.hue]!;
    const isDead = place.landed === null && lanes[dot.lane]?.isUp === false && !dot.isCarried;
    context.globalAlpha = place.alpha * (isDead && place.shape === "dot" ? 0.45 : 1);
    context.fillStyle = context.strokeStyle = colour;
    if (scene.isStill && place.shape === "dot") {
      context.fillRect(x - 1, y - radius, 2, radius * 2);
      continue;
    }
    context.beginPath();
    context.arc(x, y, place.shape === "ring" ? radius + 0.5 : radius, 0, 2 * Math.PI);
    if (place.shape === "dot") context.fill();
    else {
      context.lineWidth = 1.5;
      context.stroke();
    }
    if (place.landed === null && place.shape === "dot" && dot.isCarried && !isThin) drawTrail(context, x, y, colour);
    if (place.landed !== null && now - place.landed < RING && !isThin) drawRing(context, shore, y, (now - place.landed) / RING, colour);
  }
  context.globalAlpha = 1;
}

function drawLane(context: CanvasRenderingContext2D, { width, height, lanes, palette, now }: Scene, { isUp, tookOver }: Lane, index: number): void {
  const y = Math.round(laneAt(height, lanes.length, index)) + 0.5;
  const glow = Math.max(0, 1 - (now - tookOver) / GLOW);
  const end = EDGE + SHORE * (width - 2 * EDGE);
  context.strokeStyle = isUp ? palette.nodes[index % NODE_COLOURS]! : palette.muted;
  context.setLineDash(isUp ? [] : [2, 5]);
  if (isUp && glow > 0) {
    context.globalAlpha = 0.3 * glow;
    context.lineWidth = Math.min(9, laneHeight(height, lanes.length) - 2);
    path(context, end, y, height);
  }
  context.globalAlpha = isUp ? 0.38 + 0.5 * glow : 0.5;
  context.lineWidth = 1 + glow;
  path(context, end, y, height);
  context.setLineDash([]);
}

/** A lane from Django to the shore. */
function path(context: CanvasRenderingContext2D, end: number, y: number, height: number): void {
  context.beginPath();
  context.moveTo(EDGE, yAt(EDGE, y, height));
  for (let x = EDGE; x <= FORK; x += 2) context.lineTo(x, yAt(x, y, height));
  context.lineTo(end, y);
  context.stroke();
}

function line(context: CanvasRenderingContext2D, from: number, to: number, y: number): void {
  context.beginPath();
  context.moveTo(from, y);
  context.lineTo(to, y);
  context.stroke();
}

function drawTrail(context: CanvasRenderingContext2D, x: number, y: number, colour: string): void {
  context.strokeStyle = colour;
  context.globalAlpha = 0.28;
  context.lineWidth = 3;
  if (x > FORK + 26) line(context, x - 26, x, y);
}

function drawRing(context: CanvasRenderingContext2D, x: number, y: number, part: number, colour: string): void {
  context.strokeStyle = colour;
  context.globalAlpha = 0.7 * (1 - part);
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, 3 + 7 * part, 0, 2 * Math.PI);
  context.stroke();
}
