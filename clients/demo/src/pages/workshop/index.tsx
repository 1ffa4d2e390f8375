import type { JSX } from "react";

export function Workshop(): JSX.Element {
  return <h1>Workshop</h1>;
}
