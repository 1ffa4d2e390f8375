import type { JSX } from "react";

export function Class(): JSX.Element {
  return <h1>Class</h1>;
}
