import type { JSX } from "react";

export function Manager(): JSX.Element {
  return <h1>Manager</h1>;
}
