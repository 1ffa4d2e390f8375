// A page's heading: its sign in the system's hue, one sentence, and a place where the connection speaks.

import type { CSSProperties, JSX, ReactNode } from "react";

import { systemOf, type SystemId } from "../systems";
import "./heading.css";

export interface HeadingProps {
  of: SystemId;
  /** What one sees, and which group Django publishes to. */
  children: ReactNode;
  /** At the right; on a phone below. Its height does not change, so that nothing moves when something was missed. */
  aside?: ReactNode;
}

const SIGNS: Partial<Record<SystemId, string>> = {
  class: "M3 5h18v11H3zM7.5 20h9M12 16v4M7 9h6M7 12h3.5",
  workshop: "M20.2 7.2a5 5 0 0 1-6.7 5.7L7.4 19a2.2 2.2 0 0 1-3.1-3.1l6.1-6.1a5 5 0 0 1 5.7-6.7l-2.6 2.6.5 3.1 3.1.5z",
};

export function Heading({ of, children, aside }: HeadingProps): JSX.Element {
  return (
    <header className="page-head">
      <svg className="page-sign" viewBox="0 0 24 24" aria-hidden="true">
        <path d={SIGNS[of]} />
      </svg>
      <div className="page-words">
        <h1>{systemOf(of).title}</h1>
        <p className="muted">{children}</p>
      </div>
      {aside && <div className="page-aside">{aside}</div>}
    </header>
  );
}

/** Gives a page the hue of its system. */
export const hueOf = (of: SystemId): CSSProperties => ({ "--hue": `var(--hue-${systemOf(of).hue})` }) as CSSProperties;
