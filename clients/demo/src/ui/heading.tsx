// A page's heading: its sign in the system's hue, one sentence, and a place where the connection speaks.

import type { CSSProperties, JSX, ReactNode } from "react";

import { systemOf, type SystemId } from "../systems";
import { Icon } from "./icons";
import "./heading.css";

export interface HeadingProps {
  of: SystemId;
  /** What one sees, and which group Django publishes to. */
  children: ReactNode;
  /** At the right; on a phone below. Its height does not change, so that nothing moves when something was missed. */
  aside?: ReactNode;
}

export function Heading({ of, children, aside }: HeadingProps): JSX.Element {
  return (
    <header className="page-head">
      <span className="page-sign">
        <Icon of={of} size={24} />
      </span>
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
