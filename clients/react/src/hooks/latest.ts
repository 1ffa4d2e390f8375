"use client";
// The latest value of a prop for callbacks that outlive a render.

import { useCallback, useInsertionEffect, useRef } from "react";

/** A stable function that returns the value of the latest render that was shown. */
export function useLatest<T>(value: T): () => T {
  const latest = useRef(value);
  // Before any other effect, and without a warning on a server.
  useInsertionEffect(() => {
    latest.current = value;
  });
  return useCallback(() => latest.current, []);
}
