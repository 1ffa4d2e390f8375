// A value that components show: they follow it once per frame, however often it changes.

import { useSyncExternalStore } from "react";

export interface Store<T> {
  readonly get: () => T;
  readonly set: (value: T) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

/** Where there are no frames, in a hidden tab. */
const HIDDEN = 250;

export function createStore<T>(initial: T): Store<T> {
  const listeners = new Set<() => void>();
  let current = initial;
  let shown = initial;
  let isDue = false;
  const show = () => {
    if (!isDue) return;
    isDue = false;
    shown = current;
    for (const listener of [...listeners]) listener();
  };
  return {
    get: () => shown,
    set: (value) => {
      if (Object.is(value, current)) return;
      current = value;
      if (isDue) return;
      isDue = true;
      // Both: a tab may be hidden meanwhile.
      globalThis.requestAnimationFrame?.(show);
      setTimeout(show, HIDDEN);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export const useStore = <T,>({ get, subscribe }: Store<T>): T => useSyncExternalStore(subscribe, get);
