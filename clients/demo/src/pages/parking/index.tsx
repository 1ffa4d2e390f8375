import type { JSX } from "react";

export function Parking(): JSX.Element {
  return <h1>Parking</h1>;
}
