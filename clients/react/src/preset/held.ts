"use client";
// What a component has asked for by a name: asking again replaces it, and all of it ends with the component.

import { useEffect, useState } from "react";

type Name = string | number;

export interface Held {
  /** Starts something under a name, after what has this name has ended. Returns what ends it. */
  hold(this: void, name: Name, start: () => () => void): () => void;
  end(this: void, name: Name): void;
  endAll(this: void): void;
}

function held(): Held {
  const stops = new Map<string, () => void>();
  const end = (name: Name) => {
    stops.get(`${name}`)?.();
    stops.delete(`${name}`);
  };
  return {
    end,
    endAll: () => [...stops.keys()].forEach(end),
    hold: (name, start) => {
      end(name);
      const stop = start();
      stops.set(`${name}`, stop);
      return () => {
        // What has replaced it goes on.
        if (stops.get(`${name}`) === stop) end(name);
      };
    },
  };
}

export function useHeld(): Held {
  const [own] = useState(held);
  useEffect(() => own.endAll, [own]);
  return own;
}
