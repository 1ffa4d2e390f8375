// Accessibility of a page by axe-core, which the packages of clients/ bring.

import { readFile } from "node:fs/promises";

const SOURCE = new URL("../../../clients/node_modules/axe-core/axe.min.js", import.meta.url);

/** Violations of what the page shows now, or of the part that `selector` names, in a line each. The script comes past the page's security policy, as a tool's does. */
export async function violations(page, selector) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(await readFile(SOURCE, "utf8"));
  return page.evaluate(async (part) => {
    const found = await window.axe.run(part ?? document, { resultTypes: ["violations"] });
    return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`));
  }, selector);
}
