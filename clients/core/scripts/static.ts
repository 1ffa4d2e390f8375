// The client for pages without a bundler: the core, and `connect()`, which such a page uses. static.mjs bundles it.

import { createClient } from "../src/index.js";
import type { Client, Options } from "../src/index.js";

export * from "../src/index.js";
export { enveloped, notifications } from "../src/dialect.js";

/** A client that connects at once. */
export function connect(url: string | URL, options: Options = {}): Client {
  const client = createClient({ ...options, url });
  client.connect();
  return client;
}
