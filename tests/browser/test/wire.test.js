// What only a real browser proves: compression, subprotocols, close codes, coming back after a restart.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Gate } from "../support/gate.js";
import { launch, Live } from "../support/live.js";
import { meter } from "../support/meter.js";
import { until } from "../support/until.js";

describe("Chromium and the node", () => {
  let gate;
  let browser;

  before(async () => {
    gate = await Gate.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await gate?.stop();
  });

  /** Opens a WebSocket in the page and resolves with how that went: `{ opened, protocol, extensions, code }`. */
  const open = (live, path, protocols) =>
    live.page.evaluate(
      ([target, offered]) =>
        new Promise((resolve) => {
          const socket = new WebSocket(target, offered);
          socket.onopen = () => {
            resolve({ opened: true, protocol: socket.protocol, extensions: socket.extensions });
            socket.close();
          };
          socket.onclose = ({ code }) => resolve({ opened: false, code });
        }),
      [new URL(path, live.page.url().replace("http", "ws")).href, protocols],
    );

  it("agree on permessage-deflate, and a large event arrives whole and small on the wire", async () => {
    const proxy = await meter(gate.port);
    const live = await Live.open(browser, proxy.url);
    try {
      const answer = await open(live, "/ws/", []);
      assert.match(answer.extensions, /permessage-deflate/);
      await live.connect("feed");
      const rows = Array.from({ length: 400 }, (_, id) => ({ id, name: `Visitor number ${id}`, note: "Schöne Grüße ☕ 😀" }));
      const before = proxy.bytes;
      await gate.publish("broadcast", { type: "send_event", event: "large", data: { rows } });
      const [frame] = await live.receives("feed", 1);
      assert.deepEqual(frame, { event: "large", data: { rows } });
      const plain = Buffer.byteLength(JSON.stringify(frame));
      const sent = proxy.bytes - before;
      assert.ok(plain > 24_000 && sent < plain / 4, `${plain} bytes took ${sent} on the wire`);
      // The next one must not lean on the first: the node keeps no context.
      await gate.publish("broadcast", { type: "send_event", event: "again", data: { rows } });
      assert.deepEqual((await live.receives("feed", 2))[1], { event: "again", data: { rows } });
      assert.deepEqual(live.problems, []);
    } finally {
      await live.close();
      await proxy.close();
    }
  });

  it("agree on the subprotocol that carries a token", async () => {
    const secret = "a-secret-key-for-this-test-alone-0123456789";
    const keyed = await Gate.start({ environment: { DJANGO_SECRET_KEY: secret } });
    const live = await Live.open(browser, keyed.pageUrl);
    try {
      const opaque = await keyed.token(7);
      const jwt = await keyed.jwtToken(7);
      for (const [protocols, echoed] of [
        [["access_token", opaque], "access_token"],
        [["Bearer", opaque], "Bearer"],
        [["Bearer", jwt], "Bearer"],
        [[jwt], jwt],
      ]) {
        const answer = await open(live, "/ws/notifications/", protocols);
        assert.deepEqual([answer.opened, answer.protocol], [true, echoed], `${protocols}: ${JSON.stringify(answer)}`);
      }
      assert.deepEqual(live.problems, []);
      assert.deepEqual(await open(live, "/ws/notifications/", ["graphql-ws"]), { opened: false, code: 1006 });
    } finally {
      await live.close();
      await keyed.stop();
    }
  });

  it("refuses a missing or wrong token before the socket opens", async () => {
    const live = await Live.open(browser, gate.pageUrl);
    for (const path of ["/ws/notifications/", "/ws/notifications/?token=wrong"]) {
      assert.deepEqual(await open(live, path, []), { opened: false, code: 1006 }, path);
    }
    const refusals = live.problems.filter((problem) => /Unexpected response code: 403/.test(problem));
    assert.equal(refusals.length, 2, live.problems.join("\n"));
    await live.close();
  });

  it("part with 1012 when the node stops, and meet again when it is back", async () => {
    // One that a node makes for itself would be another one after the restart.
    const restarted = await Gate.start({ environment: { CHANNELGATE_API_KEY: "the-key-of-this-test" } });
    const live = await Live.open(browser, restarted.pageUrl);
    try {
      await live.connect("feed");
      await live.connect("parking");
      await live.subscribe("parking", ["reservation"]);

      const stopped = restarted.stop();
      const notes = live.page.locator("[data-testid=frame][data-direction=note]");
      for (const name of ["feed", "parking"]) {
        const closed = notes.filter({ hasText: name }).filter({ hasText: "Closed 1012, service restart" });
        await closed.first().waitFor();
      }
      await live.stateIs("feed", /Try \d+ in \d+\.\d s|Connecting/);
      assert.equal((await stopped).code, 0, "a drained node ends well");

      await restarted.start();
      await live.stateIs("feed", /^Open$/, 45_000);
      await live.stateIs("parking", /^Open$/, 45_000);
      await restarted.publish("broadcast", { type: "send_event", event: "back", data: {} });
      assert.deepEqual((await live.receives("feed", 1))[0], { event: "back", data: {} });
      // The page has asked for a new token and subscribed again by itself.
      await until("parking receives again", async () => {
        await restarted.publish("notifications", { type: "new_reservation", message: "again", data: {} });
        return (await live.framesJson("parking")).some(({ message }) => message === "again");
      });
    } finally {
      await live.close();
      await restarted.stop();
    }
  });
});
