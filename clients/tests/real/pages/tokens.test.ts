// Tokens that are refused, expired or revoked: a client asks for a fresh one once, and then stops.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Gate } from "../support/gate.js";
import { Redis } from "../support/redis.js";
import { launch, Tab } from "./support/page.js";

let browser: Browser;
let redis: Redis;
let gate: Gate;
beforeAll(async () => {
  [browser, redis] = await Promise.all([launch(), Redis.start()]);
  gate = await Gate.start({ presets: ["parking"], redisUrl: redis.url });
});
afterAll(async () => {
  await Promise.all([browser.close(), gate.close(), redis.close()]);
});

async function open(tokens: (string | null)[], path = "ws/notifications/", node = gate): Promise<Tab> {
  const tab = await Tab.open(browser);
  onTestFinished(() => tab.close());
  await tab.start({ url: `${node.url}${path}`, tokens, components: 3, backoff: { base: 50, cap: 50 } });
  return tab;
}

/** For a second no further socket is made. */
async function staysQuiet(tab: Tab): Promise<void> {
  const { made } = await tab.facts();
  const until = performance.now() + 1_000;
  while (performance.now() < until) expect((await tab.facts()).made).toBe(made);
}

describe("tokens", () => {
  it("a refused token ends in unauthorized after one fresh token, without a loop", async () => {
    const tab = await open(["wrong"]);
    const { snapshot, tokens, made } = await tab.status("unauthorized");
    expect(snapshot.reason?.code).toBe(4401);
    expect(tokens).toEqual(["first", "expired"]);
    expect(made).toBe(2);
    await staysQuiet(tab);
  });

  it("an expired token is replaced by a fresh one at once", async () => {
    const tab = await open(["expired", gate.token(7, { kind: "ws" })]);
    // On a busy machine the first connection may be open for a moment, until its close arrives.
    const { tokens, made } = await tab.until("open with the fresh token", (facts) => facts.made === 2 && facts.snapshot.status === "open");
    expect(tokens).toEqual(["first", "expired"]);
    expect(made).toBe(2);
  });

  it("a revoked token ends the connection; a new one leaves unauthorized", async () => {
    const token = gate.token(8, { kind: "ws" });
    const tab = await open([token]);
    await tab.status("open");
    await gate.disconnect({ token });
    const { snapshot } = await tab.status("unauthorized");
    expect(snapshot.reason?.code).toBe(4403);
    await staysQuiet(tab);
    await tab.page.evaluate((fresh) => window.page.client().setToken(fresh), gate.token(8, { kind: "ws" }));
    await tab.status("open");
  });

  it("without a token, and none will come: unauthorized, and no socket at all", async () => {
    const tab = await open([null]);
    const { made, snapshot } = await tab.status("unauthorized");
    expect(made).toBe(0);
    expect(snapshot.reason?.kind).toBe("token");
    await staysQuiet(tab);
  });

  it("a handshake that is refused three times is said to be refused, and tried further", async () => {
    const node = await Gate.start({ config: '[[consumer]]\npath = "/ws/closed/"\nauth = ["ws_token"]\n', redisUrl: redis.url });
    onTestFinished(() => node.close());
    const tab = await open(["wrong"], "ws/closed/", node);
    const { snapshot, statuses, tokens } = await tab.until("refused", (facts) => facts.snapshot.reason?.kind === "refused");
    expect(statuses).toEqual(["connecting", "reconnecting"]);
    expect(tokens.slice(0, 3)).toEqual(["first", "refused", "refused"]);
    expect(snapshot.status).toBe("reconnecting");
  });
});
