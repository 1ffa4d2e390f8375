// The sign of each system, in its hue where `--hue` is set.

import type { JSX } from "react";

import type { SystemId } from "../systems";

/** Lines in a square of 24 units. */
const LINES: Record<SystemId, string> = {
  visitors: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 4.4a3.5 3.5 0 0 1 0 6.2M18 14.6c2.1.9 3.5 2.9 3.5 5.4",
  parking: "M6 3h12a3 3 0 0 1 3 3v12a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3V6a3 3 0 0 1 3-3ZM9.5 17V7.5h3.4a3 3 0 0 1 0 6H9.5",
  manager: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7.5V12l3 2",
  class: "M12 5 2.5 9.5 12 14l9.5-4.5L12 5ZM6.5 11.7V16c1.6 1.5 3.5 2.3 5.5 2.3s3.9-.8 5.5-2.3v-4.3M21.5 9.5V15",
  workshop: "M14.7 6.3a4.5 4.5 0 0 0-5.9 5.8L3.5 17.4a2.2 2.2 0 0 0 3.1 3.1l5.3-5.3a4.5 4.5 0 0 0 5.8-5.9l-2.8 2.8-2.7-.4-.4-2.7 2.9-2.7Z",
};

export function SystemIcon({ of, size = 24 }: { of: SystemId; size?: number | undefined }): JSX.Element {
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={LINES[of]} />
    </svg>
  );
}
