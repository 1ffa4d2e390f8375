// Tells React of changes once per frame, however many events come: what makes a burst cheap.

/** What changed since the last frame. */
const pending = new Set<() => void>();

/** Milliseconds until a change is shown where there are no frames: in a hidden tab, or outside of a browser. */
const HIDDEN = 250;

/** Calls the listener in the next frame, once, however often it is asked for until then. */
export function frame(listener: () => void): void {
  if (pending.size === 0) {
    const flush = () => {
      clearTimeout(timer);
      globalThis.cancelAnimationFrame?.(request);
      const listeners = [...pending];
      pending.clear();
      for (const changed of listeners) {
        try {
          changed();
        } catch (error) {
          // A mistake of one component, such as its `sort`, does not keep others from being shown.
          setTimeout(() => {
            throw error;
          });
        }
      }
    };
    // Both: a tab that is hidden meanwhile gets no frame.
    const timer = setTimeout(flush, HIDDEN);
    const request = globalThis.requestAnimationFrame?.(flush);
  }
  pending.add(listener);
}

/** State that is made of events, in the form that `useSyncExternalStore` takes. */
export interface Source<S> {
  subscribe(this: void, listener: () => void): () => void;
  /** What is shown: the same until the next frame. */
  shown(this: void): S;
  /** What a server shows, and a browser until it has hydrated. */
  idle(this: void): S;
}

/**
 * @param idle The state at the beginning.
 * @param start Begins to follow events when there is a first reader; returns what ends it. `changed` asks for a frame.
 * @param read Makes the state that is shown, at most once per frame.
 */
export function createSource<S>(idle: S, start: (changed: () => void) => () => void, read: () => S): Source<S> {
  const listeners = new Set<() => void>();
  let shown = idle;
  let stop: (() => void) | undefined;
  const show = () => {
    shown = read();
    for (const listener of listeners) listener();
  };
  return {
    subscribe: (listener) => {
      listeners.add(listener);
      stop ??= start(() => frame(show));
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        stop?.();
        stop = undefined;
      };
    },
    shown: () => shown,
    idle: () => idle,
  };
}

/** A source whose state is folded from events: `update` takes a function from the state to the next. */
export function createFold<S>(idle: S, start: (update: (next: (state: S) => S) => void) => () => void): Source<S> {
  let state = idle;
  return createSource(
    idle,
    (changed) =>
      start((next) => {
        const before = state;
        state = next(before);
        if (state !== before) changed();
      }),
    () => state,
  );
}

/** What ends all of them. */
export function together(...stops: readonly (() => void)[]): () => void {
  return () => {
    for (const stop of stops) stop();
  };
}
