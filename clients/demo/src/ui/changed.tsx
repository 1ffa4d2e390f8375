// Motion for what has changed, and only for that: what is there when a page opens stands still.

import { useState, type JSX, type ReactNode } from "react";

/** How often the value has changed since the component was mounted. */
export function useChanges(value: unknown): number {
  const [shown, setShown] = useState(value);
  const [changes, setChanges] = useState(0);
  if (!Object.is(shown, value)) {
    setShown(value);
    setChanges(changes + 1);
  }
  return changes;
}

/** A number or a text that comes up when it changes. */
export function Tick({ value, testId }: { value: number | string; testId?: string | undefined }): JSX.Element {
  const changes = useChanges(value);
  return (
    <span key={changes} className="tick" data-changed={changes > 0} data-testid={testId}>
      {value}
    </span>
  );
}

/** A ring around the child that fades, each time that `of` changes; with `isNew` also at first. */
export function Pulse({ of, isNew = false, children }: { of: unknown; isNew?: boolean | undefined; children: ReactNode }): JSX.Element {
  const changes = useChanges(of);
  return (
    <span className="changed">
      {children}
      {(changes > 0 || isNew) && <span key={changes} className="changed-ring" />}
    </span>
  );
}
