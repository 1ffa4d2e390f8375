// The operator's view of a cluster: two nodes, a Redis, real clients, a real Chromium.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Gate } from "../support/gate.js";
import { launch } from "../support/live.js";
import { Clients, idle, Operator } from "../support/operate.js";
import { reduced } from "../support/png.js";
import { startRedis } from "../support/redis.js";
import { traffic } from "../support/traffic.js";
import { until } from "../support/until.js";

const ENVIRONMENT = {
  CHANNELGATE_CONFIG: fileURLToPath(new URL("../fixtures/operate.toml", import.meta.url)),
  CHANNELGATE_API_KEY: "the-key-of-the-cluster",
  DJANGO_SECRET_KEY: "a-secret-of-django-that-is-long-enough-for-hs256",
  // A node that stands still is alive for three heartbeats: long enough to be seen silent on a busy machine.
  CHANNELGATE__CLUSTER__HEARTBEAT: "20s",
  // Room for a client that reads nothing, in the node and little in the kernel.
  CHANNELGATE__SOCKET__OUTBOX: "67108864",
  CHANNELGATE__SOCKET__SEND_BUFFER: "4096",
};

/** With SCREENSHOTS=1 the photographs are those of the documents, after a quarter of an hour of traffic; otherwise they are thrown away. */
const kept = process.env.SCREENSHOTS === "1" && fileURLToPath(new URL("../../../docs/images/", import.meta.url));

describe("the operator's view of a cluster", () => {
  let photographs;
  let redis;
  let nodes = [];
  let browser;
  let operator;
  let admin;
  /** Another one, whose token ends soon. */
  let brief;
  const clients = [];

  before(async () => {
    photographs = kept || (await mkdtemp(path(tmpdir(), "channelgate-page-")));
    redis = await startRedis();
    const start = (name) => Gate.start({ environment: { ...ENVIRONMENT, REDIS_URL: redis.url, CHANNELGATE__CLUSTER__NAME: name } });
    const launched = launch().then((one) => (browser = one));
    nodes = await Promise.all(["node1", "node2"].map(start));
    await launched;
    admin = nodes[0].accessToken(1, { role: "admin" });
    operator = await Operator.open(browser, nodes[0]);
  });
  after(async () => {
    await browser?.close();
    await Promise.all(nodes.map((node) => node.stop()));
    await redis?.stop();
    if (photographs && !kept) await rm(photographs, { recursive: true });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((page) => page.close()));
    assert.deepEqual(operator.problems, [], "the browser complained");
    assert.deepEqual(brief?.problems ?? [], [], "the browser complained");
  });

  /** A page with clients of a node: `order` of them wait for this order as this user. */
  async function join(node, user, order, count = 1) {
    const page = await Clients.open(browser, node);
    clients.push(page);
    if (order) await page.plain(`/ws/orders/${order}/?token=${node.accessToken(user)}`, count);
    return page;
  }

  it("leads in with the token of an admin only, and says why not", async () => {
    assert.match(await operator.text("op-signin"), /api\.admin_roles.*channelgate token/s);
    await operator.signIn("not.a.token");
    await operator.says("op-signin-error", /^The node refused this token or key: .+/);
    await operator.signIn(nodes[0].accessToken(7));
    await operator.says("op-signin-error", /Admin access required/);
    await operator.signIn(ENVIRONMENT.CHANNELGATE_API_KEY);
    await operator.says("op-signin-error", /^The node refused this token or key: (?!Admin)/);
    await operator.enter(`Bearer ${admin}`);
    await operator.says("op-stream", /^Live/);
    await operator.page.reload();
    await operator.test("op-board").waitFor();
    assert.equal(await operator.page.evaluate(() => Object.keys(localStorage).length + document.cookie.length), 0, "kept for the tab alone");
    await operator.test("op-signout").click();
    await operator.test("op-signin").waitFor();
    await operator.page.reload();
    await operator.test("op-signin").waitFor();
    await operator.enter(admin);
    brief = await Operator.open(browser, nodes[0]);
    const isIn = () => brief.test("op-board").isVisible();
    // A node that stands still sees a short one too late.
    for (const lifetime of [10, 30, 60]) {
      await brief.signIn(nodes[0].accessToken(1, { role: "admin", lifetime }));
      await until("in, or refused", async () => (await isIn()) || /expired/.test(await brief.text("op-signin-error")));
      if (await isIn()) break;
    }
    assert.ok(await isIn());
  });

  it("shows the nodes, and figures that rise after real publishes on both", async () => {
    for (const name of ["node1", "node2"]) await operator.rowSays("op-node-table", name, /\d+\.\d+\.\d+ · up .*ready/);
    await operator.says("op-nodes", /^2$/);
    assert.deepEqual(await operator.page.locator("#op-django-section .nothing").allTextContents(), ["No consumer was called in Django.", "No question was asked."]);
    const first = await join(nodes[0], 7, 5, 3);
    const second = await join(nodes[1], 8, 5, 2);
    await nodes[0].publish("order_5", Array.from({ length: 20 }, (_, n) => ({ type: "order.status", n })));
    await until("all clients have all", async () => [...(await first.all()), ...(await second.all())].every(({ got }) => got.length === 20));
    await operator.says("op-connections", /^5$/);
    await operator.rowSays("op-consumers-table", "orders websocket", /WebSocket.*5$/);
    await operator.rowSays("op-rooms-table", "order_5", /5$/);
    await operator.test("op-chart-deliveries-table").click();
    await until("the table of deliveries shows them", async () => {
      const cells = await operator.test("op-chart-deliveries").locator("tbody td").allTextContents();
      return cells.some((text) => Number(text) > 0);
    });
    const plot = operator.test("op-chart-deliveries-plot");
    await plot.focus();
    // 100 frames in at most two steps of 5 s.
    await until("the rate at a time is said", async () => {
      for (const key of ["End", ...Array.from({ length: 12 }, () => "ArrowLeft")]) {
        await operator.page.keyboard.press(key);
        const [, rate] = /: ([\d.]+) per second/.exec(await plot.getAttribute("aria-valuetext")) ?? [];
        if (Number(rate) >= 10) return true;
      }
      return false;
    });
    const times = await operator.page.evaluate(() => [...document.querySelectorAll(".chart .time")].map((time) => time.textContent.slice(0, 8)));
    assert.match(times[0], /^\d\d:\d\d:\d\d$/);
    assert.deepEqual(times, [times[0], times[0], times[0], times[0]], "all charts show the same time");
    await operator.row("op-rooms-table", "order_5").getByTestId("op-room").click();
    assert.deepEqual([await operator.test("op-tail-group").inputValue(), await operator.test("op-tail-drops").isChecked()], ["order_5", false]);
    await operator.test("op-tail-group").fill("");
    await operator.test("op-tail-drops").check();
  });

  it("shows a drop and a gap in the tail, each with its reason in words, and counts them", async () => {
    await join(nodes[1], 7, 6);
    await operator.test("op-tail-clear").click();
    assert.match(await operator.test("op-tail-empty").and(operator.page.locator(":visible")).textContent(), /No drop and no gap so far/);
    assert.match(await operator.test("op-losses-none").and(operator.page.locator(":visible")).textContent(), /^Nothing was lost since \d\d:\d\d: no drop and no gap\.$/);
    await until("the drop is there", async () => {
      await nodes[0].publish("order_6", { type: "order.unknown" });
      return (await operator.test("op-record").count()) > 0;
    });
    const text = await operator.record(/no_handler/);
    assert.match(text, /node2dropped.*order_6.*no_handler.*at orders: No on_event of the consumer handles events of this type\..*Add a handler/);
    await redis.send("CLIENT KILL TYPE pubsub");
    await operator.record(/gap.*reconnected: The subscription in Redis was lost/);
    const loss = operator.page.locator("[data-testid=op-losses] [data-kind=drop][data-label=no_handler]");
    await until("the loss is counted", async () => (await loss.count()) === 1 && /No on_event/.test(await loss.textContent()));
    await operator.says("op-chart-drops", /no_handler [1-9]/);
    const gap = operator.page.locator("[data-testid=op-losses] [data-kind=gap][data-label=reconnected]");
    await until("the gap is counted", async () => (await gap.count()) === 1);
    for (const chart of ["events", "deliveries", "connections", "drops"]) {
      assert.ok((await operator.test(`op-chart-${chart}`).locator(".picture .gap").count()) > 0, `${chart} has a mark`);
    }
    await operator.says("op-gaps", /^[1-9]/);
  });

  it("filters, pauses and clears the tail", async () => {
    await join(nodes[0], 7, 6);
    await join(nodes[1], 7, 7);
    const foreign = new Set();
    // A loss of which the node does not know the group or consumer passes every filter.
    const isUnknown = ({ kind, group, text }) => kind === "gap" || (kind === "dropped" && (group === "" || !text.includes(" at ")));
    const note = (records, fits) => records.filter((one) => !fits(one) && !isUnknown(one)).forEach(({ text }) => foreign.add(text));
    await operator.test("op-tail-drops").uncheck();
    await operator.test("op-tail-group").fill("order_7");
    await until("deliveries of the group", async () => {
      for (const id of [6, 7]) await nodes[0].publish(`order_${id}`, { type: "order.status" });
      const shown = await operator.records();
      note(shown, ({ group }) => group === "order_7");
      return shown.filter(({ text }) => /node2delivered.*order_7.*to 1 member of orders/.test(text)).length > 2;
    });
    assert.deepEqual([...foreign], [], "of this group alone");
    // The list is bounded, and was it full, it would not grow.
    await operator.test("op-tail-clear").click();
    await operator.test("op-tail-pause").click();
    const shown = await operator.test("op-record").count();
    await nodes[0].publish("order_7", { type: "order.status" });
    await operator.says("op-tail-pause", /Resume \(\d+ new\)/);
    assert.equal(await operator.test("op-record").count(), shown);
    await operator.test("op-tail-pause").click();
    await until("they are shown", async () => (await operator.test("op-record").count()) > shown);
    await operator.test("op-tail-clear").click();
    await operator.test("op-tail-group").fill("");
    await operator.test("op-tail-consumer").selectOption("orders");
    await until("the other group, of this consumer", async () => {
      await nodes[0].publish("order_6", { type: "order.status" });
      const now = await operator.records();
      note(now, ({ text }) => text.includes("orders"));
      return now.some(({ text }) => /delivered.*order_6/.test(text));
    });
    assert.deepEqual([...foreign], [], "of this consumer alone");
  });

  it("finds a user on both nodes, names how many end, and ends real clients", async () => {
    const here = await join(nodes[0], 7, 6);
    const there = await join(nodes[1]);
    for (const user of [7, 7, 8]) await there.socketIo(nodes[1].accessToken(user));
    await here.socketIo(nodes[0].accessToken(7));
    const ends = async () => [...(await here.all()), ...(await there.all())].map(({ close }) => close);
    await operator.find("7", /User 7: 3 Socket\.IO connections in 1 room\. Plain WebSockets are not listed/);
    await operator.test("op-disconnect-one").first().click();
    assert.match(await operator.text("op-confirm-text"), /This ends 1 connection of user 7\. It is in 1 room\./);
    await operator.test("op-confirm-no").click();
    await operator.test("op-disconnect-one").first().click();
    await operator.test("op-confirm-yes").click();
    await until("one has ended", async () => (await ends()).filter(Boolean).length === 1);
    await operator.says("op-user-status", /disconnected|did not answer/);
    assert.notEqual(await operator.page.evaluate(() => document.activeElement.tagName), "BODY", "the keyboard goes on from there");
    await operator.find("7", /^User 7: 2 Socket\.IO connections/);
    await operator.test("op-disconnect-all").click();
    assert.match(await operator.text("op-confirm-text"), /the 2 Socket\.IO connections of user 7 and all plain WebSockets of this user/);
    await operator.test("op-confirm-reason").fill("é".repeat(62));
    await operator.test("op-confirm-yes").click();
    assert.ok(await operator.test("op-confirm").isVisible(), "124 bytes are more than a close reason has");
    await operator.test("op-confirm-reason").fill("a test");
    await operator.test("op-confirm-yes").click();
    const ended = await until("all of them have ended", async () => {
      const all = await ends();
      return all.filter(Boolean).length === 4 && all;
    });
    await operator.find("7", /^User 7 has no Socket\.IO connection/);
    assert.deepEqual(ended[0], { code: 4403, reason: "a test" }, "the plain one reads the reason");
    assert.equal(ended.at(-1), null, "the other user stays");
  });

  it("sends a test message to a real Socket.IO client on the other node", async () => {
    const page = await join(nodes[1]);
    await page.socketIo(nodes[1].accessToken(12));
    await operator.find("12", /User 12: 1 Socket\.IO connection/);
    await operator.test("op-user-emit").click();
    assert.equal(await operator.test("op-emit-name").inputValue(), "12");
    await operator.test("op-emit-event").fill("notice");
    await operator.test("op-emit-data").fill("{");
    await operator.test("op-emit-send").click();
    assert.ok((await operator.text("op-emit-error")).length > 5, "data that is not JSON is not sent");
    await operator.test("op-emit-data").fill('{"text": "hello"}');
    const emit = async () => {
      await operator.test("op-emit-send").click();
      await operator.page.locator("[data-testid=op-emit-send]:enabled").waitFor();
    };
    await operator.answers("op-emit-answer", emit, /^Event sent to 1 connection\.$/);
    await until("the client has it", async () => JSON.stringify((await page.all())[0].got[0]) === '["notice",{"text":"hello"}]');
    await operator.test("op-emit-to").selectOption("room");
    await operator.test("op-emit-name").fill("nobody");
    await operator.answers("op-emit-answer", emit, /^Event sent to 0 connections\.$/);
  });

  it("names a slow client, what waits for it, and ends it", async () => {
    const slow = await idle(nodes[1].port, `/ws/orders/9/?token=${nodes[1].accessToken(21)}`);
    try {
      const event = { type: "order.status", text: "x".repeat(100_000) };
      const row = operator.page.locator("[data-testid=op-slow-table] tbody tr");
      await until("it is there", async () => {
        // More than the kernel holds, and in a minute less than the outbox holds.
        if ((await row.count()) === 0) await nodes[1].publish("order_9", event);
        return /user 21.*orders · node2.*[KM]iB/.test(await row.first().textContent({ timeout: 200 }));
      });
      // The answer to a question of before comes after the answer to this one.
      let release;
      const held = new Promise((resolve) => void (release = resolve));
      await operator.page.route("**/user/7/rooms", async (route) => {
        const response = await route.fetch();
        await held;
        await route.fulfill({ response });
      });
      await operator.test("op-user").fill("7");
      await operator.test("op-user-find").click();
      await row.getByTestId("op-slow-user").click();
      await operator.says("op-user-status", /^User 21 has no Socket\.IO connection/);
      const late = operator.page.waitForResponse("**/user/7/rooms");
      release();
      await (await late).finished();
      await operator.page.evaluate(() => new Promise((resolve) => void setTimeout(() => resolve())));
      assert.match(await operator.text("op-user-status"), /^User 21 /, "the last question counts, not the last answer");
      await row.getByTestId("op-slow-disconnect").click();
      await operator.test("op-confirm-yes").click();
      await operator.says("op-slow-status", /^1 connection disconnected|did not answer/);
    } finally {
      slow.destroy();
    }
  });

  it("names a node that is alive and does not answer, and shows it again when it does", async () => {
    await operator.rowSays("op-node-table", "node2", /ready/);
    nodes[1].signal("SIGSTOP");
    try {
      await operator.says("op-silent", /node2 is alive and did not answer in time\. Its figures are missing/);
      await operator.rowSays("op-node-table", "node2", /silent/);
      await operator.says("op-nodes", /^1 of 2$/);
    } finally {
      nodes[1].signal("SIGCONT");
    }
    await operator.rowSays("op-node-table", "node2", /ready/);
    await until("the notice is gone", () => operator.test("op-silent").isHidden());
  });

  it("shows records that it cannot read as they came, and goes on with the tail", async () => {
    const markup = "<img src=x onerror=document.title='broken'>";
    const records = [
      ...["constructor", "__proto__", "toString", markup].map((kind) => ({ kind })),
      { kind: "delivered", time: "never", groups: 7 }, { kind: "dropped", time: { toString: 1 }, groups: [markup, {}], reason: { toString: 1 }, detail: markup },
      { kind: "event", type: markup, source: [[]], bytes: {} }, { kind: "calls", calls: "x", members: null }, { kind: "delivered", consumer: "orders" },
      { kind: "missed", time: 7, lines: 3 },
    ];
    const server = createServer((_, response) => response.write(records.map((record) => JSON.stringify(record)).join("\n") + "\n"));
    await new Promise((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const silent = operator.test("op-tail-silent");
    const facts = JSON.stringify({ address: `127.0.0.1:${server.address().port}`, started: 1, connections: 0 });
    // The id is the name of a property that every object has.
    await redis.send("SET", "channelgate:node:toString", `'${facts}'`, "EX", "600");
    await redis.send("ZADD", "channelgate:nodes", Date.now() + 600_000, "toString");
    await operator.test("op-tail-clear").click();
    await operator.test("op-tail-group").fill("");
    await operator.test("op-tail-consumer").selectOption("");
    await operator.test("op-tail-drops").uncheck();
    await operator.record(/^–toString__proto__\{/);
    await operator.record(/^–toStringdropped<img .*\{"kind"/);
    await operator.says("op-tail-lost", /^\d+ records more than this page or a node could take were left out\./);
    await operator.rowSays("op-node-table", "toString", /silent/);
    for (const { text } of await operator.records()) assert.doesNotMatch(text.replace(/\{"kind.*/, ""), /undefined|NaN/);
    server.closeAllConnections();
    server.close();
    await operator.says("op-tail-silent", /^The records of toString do not arrive\.$/);
    await redis.send("ZREM", "channelgate:nodes", "toString");
    await operator.test("op-signout").click();
    await operator.enter(admin);
    assert.ok(await silent.isHidden(), "it is not said of the next stream");
    await operator.test("op-tail-drops").uncheck();
    await join(nodes[0], 7, 9);
    await until("an event is there", async () => {
      await nodes[0].publish("order_9", { type: "order.status" });
      return (await operator.records()).some(({ text }) => /delivered.*order_9/.test(text));
    });
    assert.notEqual(await operator.page.title(), "broken");
    await operator.test("op-tail-drops").check();
  });

  it("is photographed in light and dark, at 1280 and 390 px, small enough for the documents", async () => {
    if (kept) await traffic(nodes, redis, browser, 13 * 60);
    for (const node of nodes) await join(node, 7, 12, 3);
    // They take their time, and a run that keeps none shows with a small one that it can.
    const sizes = kept ? [{ width: 1280, height: 1240, scale: 1.5 }, { width: 390, height: 1500, scale: 2 }] : [{ width: 390, height: 800, scale: 1 }];
    for (const { width, height, scale } of sizes) {
      const picture = await Operator.open(browser, nodes[0], { viewport: { width, height }, deviceScaleFactor: scale, reducedMotion: "reduce" });
      await picture.enter(admin);
      await picture.test("op-tail-drops").uncheck();
      await until("the tail has records", async () => {
        await nodes[1].publish("order_12", [{ type: "order.status" }, { type: "order.unknown" }]);
        return (await picture.test("op-record").count()) > 12;
      });
      await until("the connections are counted", async () => Number(await picture.text("op-connections")) >= 6);
      await picture.page.evaluate(() => {
        document.activeElement.blur();
        scrollTo(0, 0);
      });
      await picture.page.mouse.move(0, 0);
      for (const colorScheme of kept ? ["light", "dark"] : ["dark"]) {
        await picture.page.emulateMedia({ colorScheme });
        const png = reduced(await picture.page.screenshot());
        await writeFile(path(photographs, `operate-${width}-${colorScheme}.png`), png);
        assert.ok(png.length < 250_000, `${png.length} bytes`);
      }
      await picture.close();
      assert.deepEqual(picture.problems, [], "the browser complained");
    }
  });

  it("leads back to the sign-in when the token has ended", async () => {
    await brief.says("op-signin-error", /expired/, 120_000);
    assert.ok(await brief.test("op-board").isHidden());
    await brief.close();
  });

  it("reconnects by itself when its node is restarted, and says so", async () => {
    await nodes[0].stop();
    await operator.says("op-stream-notice", /The stream of the node is lost .* it reconnects by itself\. The figures are those of/);
    await nodes[0].start();
    await until("the stream is back", async () => {
      const retry = operator.test("op-retry");
      if (await retry.isVisible()) await retry.click({ timeout: 1_000 });
      return /^Live/.test(await operator.text("op-stream"));
    });
    await until("the notice is gone", () => operator.test("op-stream-notice").isHidden());
    // What Chromium writes while the port is closed.
    operator.problems = operator.problems.filter((problem) => !/WebSocket connection to .* failed/.test(problem));
  });
});
