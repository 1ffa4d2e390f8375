// Which React the tests run with.

import { StrictMode, version } from "react";
import { createRoot } from "react-dom/client";
import { expect, it } from "vitest";

it("renders with the React of its project", async () => {
  const element = document.createElement("div");
  createRoot(element).render(<StrictMode>{version}</StrictMode>);
  await expect.poll(() => element.textContent).toMatch(/^1[89]\./);
});
