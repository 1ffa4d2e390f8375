"use client";
// What a component has asked for by a name: asking again replaces it, and all of it ends with the component.

import { useEffect, useState } from "react";

export interface Held {
  /** Starts something under a name, after what has this name has ended. Returns what ends it. */
  hold(name: string, start: () => () => void): () => void;
  end(name: string): void;
}

function held(): Held & { endAll(): void } {
  const stops = new Map<string, () => void>();
  const end = (name: string) => {
    stops.get(name)?.();
    stops.delete(name);
  };
  return {
    hold: (name, start) => {
      end(name);
      const stop = start();
      stops.set(name, stop);
      // What has replaced it goes on.
      return () => {
        if (stops.get(name) === stop) end(name);
      };
    },
    end,
    endAll: () => [...stops.keys()].forEach(end),
  };
}

export function useHeld(): Held {
  const [own] = useState(held);
  useEffect(() => own.endAll, [own]);
  return own;
}
