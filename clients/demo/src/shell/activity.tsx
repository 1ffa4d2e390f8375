// What goes on in Django: paused or not, and how fast.

import { useSyncExternalStore, type JSX } from "react";

import { command, loadConfig, type Activity } from "../stream/control";
import { useControl, useStream, type Control } from "../stream/provider";
import { Icon } from "../ui/icons";

const wide = matchMedia("(min-width: 1024px)");
const subscribe = (listener: () => void) => {
  wide.addEventListener("change", listener);
  return () => wide.removeEventListener("change", listener);
};

const SPEEDS = [0.5, 1, 2, 4];

function useChange(): [Control | null, (change: Partial<Activity>) => void] {
  const control = useControl();
  const stream = useStream();
  return [
    control,
    (change) => {
      if (!control) return;
      const activity = { ...control.activity, ...change };
      control.setActivity(activity);
      command("activity", activity).catch(async (error: unknown) => {
        // Another change may have succeeded meanwhile.
        const config = await loadConfig(AbortSignal.timeout(10_000)).catch(() => null);
        if (config) control.setActivity(config.activity);
        stream.fact(error instanceof Error ? error.message : String(error), true);
      });
    },
  ];
}

export function Pause(): JSX.Element | null {
  const [control, change] = useChange();
  if (!control) return null;
  const { paused } = control.activity;
  return (
    <button type="button" className="quiet icon-button" data-testid="pause" aria-label={paused ? "Go on: Django publishes again" : "Pause: Django publishes nothing by itself"} onClick={() => change({ paused: !paused })}>
      <Icon of={paused ? "play" : "pause"} size={16} />
    </button>
  );
}

/** Beside the facts where there is room, else in the menu. */
export function Speed({ where }: { where: "foot" | "menu" }): JSX.Element | null {
  const [control, change] = useChange();
  const isWide = useSyncExternalStore(subscribe, () => wide.matches);
  if (!control || isWide !== (where === "foot")) return null;
  const { speed } = control.activity;
  return (
    <label className={`speed speed-${where}`}>
      <span>Speed</span>
      <select data-testid="speed" value={speed} onChange={({ target }) => change({ speed: Number(target.value) })}>
        {[...new Set([...SPEEDS, speed])].sort((a, b) => a - b).map((one) => (
          <option key={one} value={one}>
            {one} ×
          </option>
        ))}
      </select>
    </label>
  );
}
