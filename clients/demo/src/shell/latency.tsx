// The travel time of events of the last 30 s, from Django to this browser.

import { useEffect, useState, type JSX } from "react";

import { useControl, useStream } from "../stream/provider";
import type { Sample } from "../stream/stream";

const SECONDS = 30;
const WIDTH = 96;
const HEIGHT = 26;

/** The slowest event of each second, oldest first; null where none came. */
function slowest(samples: readonly Sample[], now: number): (number | null)[] {
  const all = Array<number | null>(SECONDS).fill(null);
  for (const { came, ms } of samples) {
    const index = SECONDS - 1 - Math.floor((now - came) / 1_000);
    if (index >= 0 && index < SECONDS) all[index] = Math.max(all[index] ?? 0, ms);
  }
  return all;
}

export function Latency(): JSX.Element | null {
  const stream = useStream();
  const [values, setValues] = useState<(number | null)[]>([]);
  useEffect(() => {
    const read = () => setValues(slowest(stream.samples(), Date.now()));
    const timer = setInterval(read, 1_000);
    return () => clearInterval(timer);
  }, [stream]);
  // Without its numbers events do not say when they were sent.
  if (useControl() === null) return null;
  const known = values.flatMap((value, index) => (value === null ? [] : [{ value, index }]));
  const last = known.at(-1)?.value ?? null;
  const top = Math.max(20, ...known.map(({ value }) => value));
  const points = known.map(({ value, index }) => `${((index / (SECONDS - 1)) * (WIDTH - 4) + 2).toFixed(1)},${(HEIGHT - 3 - (value / top) * (HEIGHT - 6)).toFixed(1)}`);
  const text = last === null ? "No events yet" : `From Django to this browser: ${last} ms; the slowest in 30 s: ${Math.max(...known.map(({ value }) => value))} ms`;
  return (
    <div className="latency" role="img" aria-label={text} title={text} data-testid="latency">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
        <path className="latency-base" d={`M2 ${HEIGHT - 2.5}H${WIDTH - 2}`} />
        {points.length > 1 && <polyline className="latency-line" points={points.join(" ")} />}
        {points.length > 0 && <circle className="latency-last" cx={points.at(-1)!.split(",")[0]} cy={points.at(-1)!.split(",")[1]} r="2.4" />}
      </svg>
      <span>{last === null ? "–" : `${last} ms`}</span>
    </div>
  );
}
