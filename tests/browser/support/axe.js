// Accessibility of a page by axe-core, which the packages of clients/ bring.

import { readFile } from "node:fs/promises";

const SOURCE = await readFile(new URL("../../../clients/node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/**
 * Violations of what the page shows now, or of the part that `selector` names, in a line each. The script comes past the
 * page's security policy, as a tool's does.
 */
export async function violations(page, selector) {
  // It is long, and stays until the page is loaded again.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(SOURCE);
  return page.evaluate(async (part) => {
    const found = await window.axe.run(part ?? document, { resultTypes: ["violations"] });
    const line = (id, { html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`;
    return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => line(id, node)));
  }, selector);
}
