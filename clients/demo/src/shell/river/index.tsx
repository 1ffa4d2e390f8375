// The river: Django on the left, the nodes as lanes, this browser on the right.

import { useEffect, useRef, type JSX } from "react";

import { useStream } from "../../stream/provider";
import { NodeGlyph } from "../../ui/icons";
import { useStore } from "../../ui/store";
import { LANES, startRiver, type Current } from "./current";
import "./river.css";

export function River({ onPick }: { onPick: (key: string) => void }): JSX.Element {
  const stream = useStream();
  const nodes = useStore(stream.nodes);
  const canvas = useRef<HTMLCanvasElement>(null);
  const current = useRef<Current | null>(null);
  useEffect(() => {
    current.current = startRiver(canvas.current!, stream);
    return () => current.current?.end();
  }, [stream]);
  return (
    <section className="river" aria-label="River of events" data-testid="river">
      <strong className="river-source">Django</strong>
      <div className="river-bed">
        <canvas
          ref={canvas}
          role="img"
          aria-label="Each event is a dot in the lane of the node that delivers it. The list of events has the same."
          onClick={({ nativeEvent: { offsetX, offsetY } }) => {
            const key = current.current?.at(offsetX, offsetY);
            if (key) onPick(key);
          }}
        />
        <ol>
          {nodes.slice(0, LANES).map(({ name, state }, index) => (
            <li key={name} className={state === "running" ? "" : "is-down"} data-state={state}>
              <NodeGlyph index={index} size={8} />
              {name}
              {state !== "running" && <em>{state}</em>}
            </li>
          ))}
        </ol>
      </div>
      <div className="river-shore">
        <strong>This browser</strong>
        <span>the last 20 s</span>
      </div>
    </section>
  );
}
