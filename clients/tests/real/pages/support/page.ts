// Opens the page of these tests in a Chromium of its own, with all that DevTools can do to a page.

import { existsSync, mkdtempSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium, type Browser, type BrowserContext, type CDPSession, type Page } from "playwright-core";

import { end, removeProfile, run } from "../../support/children.js";
import { until } from "../../support/until.js";
import { bundle, type Variant } from "./bundle.js";
import { Watched } from "./watched.js";

// Sockets are counted before the application's first line; they stay real.
const HTML = `<!doctype html><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,"><div id="root"></div>
<script>
window.sockets = [];
window.WebSocket = class extends WebSocket { constructor(...all) { super(...all); window.sockets.push(this); } };
</script><script src="/app.js"></script>`;

const SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** CHROMIUM_BIN, or the first Chromium that is found. */
function chromiumPath(): string {
  const found = process.env["CHROMIUM_BIN"] ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
  if (found === undefined) throw new Error("there is no Chromium: install it, or set CHROMIUM_BIN");
  return found;
}

/** Starts a Chromium; each page has a profile of its own. */
export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath(), args: SWITCHES });
}

/**
 * Starts a Chromium as a person does: a page can be hidden by another tab, put to sleep, and kept in the back/forward
 * cache. Playwright prevents that in the browsers that it starts itself.
 */
export async function launchPlain(): Promise<{ browser: Browser; close: () => Promise<void> }> {
  const profile = mkdtempSync(join(tmpdir(), "channelgate-chromium-"));
  const child = run(chromiumPath(), [...SWITCHES, "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr?.on("data", (data: Buffer) => (log += data.toString()));
  const address = await until("the address of DevTools", () => /DevTools listening on (ws:\S+)/.exec(log)?.[1], 40_000);
  const browser = await chromium.connectOverCDP(address, { noDefaults: true });
  const close = async (): Promise<void> => {
    await browser.close();
    await end(child, "SIGTERM");
    await removeProfile(profile);
  };
  return { browser, close };
}

/** Serves the page, and an empty one at /other. */
export async function serve(variant: Variant): Promise<{ url: string; server: Server }> {
  const script = await bundle(variant);
  const server = createServer((request, response) => {
    const isScript = request.url === "/app.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : request.url === "/other" ? "<!doctype html><title>Another page</title>" : HTML);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { url: `http://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}/`, server };
}

export class Tab extends Watched {
  /** Console messages that are errors or warnings, and exceptions. */
  readonly problems: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    readonly devtools: CDPSession,
    private readonly server: Server,
  ) {
    super();
  }

  static async open(browser: Browser, variant: Variant = { react: 19, production: false }): Promise<Tab> {
    const { url, server } = await serve(variant);
    // A plain browser has one profile for all pages.
    const context = browser.contexts()[0] ?? (await browser.newContext());
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const tab = new Tab(context, page, await context.newCDPSession(page), server);
    page.on("console", (message) => {
      const text = message.text();
      // The browser says so itself when a connection is refused or lost, and React where its DevTools are.
      const isExpected = /WebSocket connection to|React DevTools|net::ERR_/.test(text);
      if (["error", "warning"].includes(message.type()) && !isExpected) tab.problems.push(`${message.type()}: ${text}`);
    });
    page.on("pageerror", (error) => tab.problems.push(`exception: ${error.message}`));
    await page.goto(url);
    return tab;
  }

  protected call(name: keyof Window["page"], ...args: readonly unknown[]): Promise<unknown> {
    return this.page.evaluate(([called, all]) => (window.page[called] as (...each: readonly unknown[]) => unknown)(...all), [name, args] as const);
  }

  async close(): Promise<void> {
    await this.page.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => void this.server.close(resolve));
  }
}
