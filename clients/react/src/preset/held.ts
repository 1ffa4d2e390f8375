"use client";
// What a component has asked for by a name: asking again replaces it, and all of it ends with the component.

import { useEffect, useState } from "react";

type Name = string | number;

/** What ends something; a second call does nothing. */
export type Stop = () => void;

export interface Held {
  /** Starts something under a name, after what has this name has ended. */
  hold(this: void, name: Name, start: () => Stop): Stop;
  end(this: void, name: Name): void;
}

function held(): Held & { endAll: Stop } {
  const stops = new Map<string, Stop>();
  const end = (name: Name) => stops.get(`${name}`)?.();
  return {
    end,
    endAll: () => stops.forEach((stop) => stop()),
    hold: (name, start) => {
      end(name);
      const own = start();
      const stop = () => {
        if (stops.get(`${name}`) === stop) stops.delete(`${name}`);
        own();
      };
      stops.set(`${name}`, stop);
      return stop;
    },
  };
}

export function useHeld(): Held {
  const [own] = useState(held);
  useEffect(() => own.endAll, [own]);
  return own;
}
