// A list that is empty, and one that could not be loaded.

import type { JSX, ReactNode } from "react";

export const Empty = ({ children }: { children: ReactNode }): JSX.Element => (
  <div className="note">
    <p>{children}</p>
  </div>
);

export const Failed = ({ what, error, again }: { what: string; error: Error | null; again: () => Promise<unknown> }): JSX.Element => (
  <div className="note" role="alert">
    <p>{`${what} could not be loaded: ${error?.message ?? "Django did not answer"}.`}</p>
    <button type="button" onClick={() => void again().catch(() => undefined)}>
      Try again
    </button>
  </div>
);
