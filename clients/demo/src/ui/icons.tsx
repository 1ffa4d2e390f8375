// Icons, drawn here: one for each system, and those of controls. They take the colour of the text around them.

import type { JSX } from "react";

import type { SystemId } from "../systems";

const PATHS: Record<SystemId | "pause" | "play" | "list" | "bolt", JSX.Element> = {
  // Two people.
  visitors: (
    <>
      <circle cx="9" cy="8" r="3.2" />
      <path d="M3.2 19.5c.3-3.6 2.6-5.6 5.8-5.6s5.5 2 5.8 5.6" />
      <path d="M15.2 5.2a3.2 3.2 0 0 1 0 5.7M17.4 14.4c2.1.6 3.3 2.4 3.5 5.1" />
    </>
  ),
  parking: (
    <>
      <rect x="3.5" y="3.5" width="17" height="17" rx="4.5" />
      <path d="M9.5 17V7.5h3.4a3 3 0 0 1 0 6H9.5" />
    </>
  ),
  // A clock that is checked.
  manager: (
    <>
      <path d="M20.3 10.2A8.5 8.5 0 1 1 14 3.7" />
      <path d="M12 7.5V12l2.8 1.9M16.5 5.8l1.9 1.9 3.1-3.6" />
    </>
  ),
  // A board and its feet.
  class: (
    <>
      <rect x="3" y="4" width="18" height="11.5" rx="2" />
      <path d="M12 15.5v2M12 17.2 8.4 20.5M12 17.2l3.6 3.3M7 8.3h6M7 11.3h3.4" />
    </>
  ),
  // A wrench.
  workshop: <path d="M14.6 6.7a4.6 4.6 0 0 1 5.7-2.3l-2.9 2.9.5 2 2 .5 2.3-2.6a4.6 4.6 0 0 1-6.5 5.5L8 20.4a2.3 2.3 0 0 1-3.3-3.3l7.8-7.6a4.6 4.6 0 0 1 2.1-2.8Z" transform="translate(-.9 -.4)" />,
  pause: <path d="M9 6v12M15 6v12" strokeWidth="2.6" />,
  play: <path d="M8 5.8v12.4L18.4 12Z" fill="currentColor" />,
  list: <path d="M8.5 6.5H20M8.5 12H20M8.5 17.5H20M4.4 6.5h.1M4.4 12h.1M4.4 17.5h.1" strokeWidth="2" />,
  bolt: <path d="M13 3 5.5 13.5h5.3L10 21l7.8-11h-5.5Z" fill="currentColor" strokeWidth="1" />,
};

export function Icon({ of, size = 20 }: { of: keyof typeof PATHS; size?: number }): JSX.Element {
  return (
    <svg className="icon" viewBox="0 0 24 24" width={size} height={size} fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      {PATHS[of]}
    </svg>
  );
}

const SHAPES = [
  <circle key="0" cx="8" cy="8" r="5.2" />,
  <path key="1" d="M8 2.4 14 13H2Z" strokeLinejoin="round" strokeWidth="1.6" stroke="currentColor" />,
  <rect key="2" x="3" y="3" width="10" height="10" rx="1.6" />,
  <path key="3" d="M8 1.8 14.2 8 8 14.2 1.8 8Z" />,
  <path key="4" d="M5.6 2.6h4.8v3h3v4.8h-3v3H5.6v-3h-3V5.6h3Z" />,
];

/** A node's shape and colour: the same wherever it is named. */
export function NodeGlyph({ index, size = 12 }: { index: number; size?: number }): JSX.Element {
  return (
    <svg className={`node-glyph node-${index % 3}`} viewBox="0 0 16 16" width={size} height={size} fill="currentColor" aria-hidden="true">
      {SHAPES[index % SHAPES.length]}
    </svg>
  );
}
