// A page of a project with the static files of the Django package, on an address of its own.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const files = new URL("../../../clients/django/src/channelgate/static/channelgate/", import.meta.url);

const PAGE = `<!doctype html><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<script type="importmap">{"imports": {"@channelgate/client": "/static/channelgate/client.js"}}</script>
<body></body>`;

/** Serves the page; `answers` maps further paths to functions that answer a request: `{ status, headers, body }`. */
async function serve(answers) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://page");
    const answer = await answers[pathname]?.(request);
    if (answer) {
      response.writeHead(answer.status ?? 200, { "Content-Type": "application/json", ...answer.headers }).end(answer.body);
    } else if (pathname.startsWith("/static/channelgate/")) {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(await readFile(new URL(pathname.split("/").at(-1), files)));
    } else {
      response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
    }
  });
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Opens the page in a browser; `node(path)` is there the address of a path of the node. */
export async function open(browser, gate, answers = {}) {
  const server = await serve(answers);
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  // `watched(client)` keeps what a client has said, for the test to read.
  await page.evaluate(async (url) => {
    Object.assign(window, await import("@channelgate/client"));
    window.node = (path) => new URL(path, url).href;
    window.watched = (client) => {
      const seen = { client, events: [], statuses: [], missed: [] };
      client.on("*", (data, { event }) => seen.events.push([event, data]));
      client.subscribe(() => {
        const { status } = client.snapshot();
        if (seen.statuses.at(-1) !== status) seen.statuses.push(status);
      });
      client.onMissed((missed) => void seen.missed.push(missed));
      return seen;
    };
    window.waitFor = async (what, condition, ms = 20_000) => {
      const end = Date.now() + ms;
      for (;;) {
        const found = condition();
        if (found) return found;
        if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
        await new Promise((resolve) => void setTimeout(resolve, 5));
      }
    };
    window.opened = (seen) => window.waitFor("open", () => seen.client.snapshot().status === "open");
  }, gate.url);
  page.done = async () => {
    await context.close();
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  };
  return page;
}
