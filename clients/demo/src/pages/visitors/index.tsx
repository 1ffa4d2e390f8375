import type { JSX } from "react";

export function Visitors(): JSX.Element {
  return <h1>Visitors</h1>;
}
