// What fails in a part does not take the rest with it.

import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { Boundary } from "../src/ui/boundary";

const shown = (error: unknown) => {
  const boundary = new Boundary({ children: createElement("p", null, "the page") });
  if (error !== undefined) boundary.state = Boundary.getDerivedStateFromError(error);
  return renderToStaticMarkup(boundary.render());
};

test("a page is shown, and what failed is said with a way to load it again", () => {
  expect(shown(undefined)).toBe("<p>the page</p>");
  for (const error of [new Error("Failed to fetch"), "Failed to fetch"]) expect(shown(error)).toMatch(/^<div.*role="alert".*could not be shown: Failed to fetch.*<button.*Load the page again/);
});
