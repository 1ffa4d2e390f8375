// What a stranger sees and does on the live page, in a real browser against the real node.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Gate } from "../support/gate.js";
import { launch, Live } from "../support/live.js";
import { meter } from "../support/meter.js";
import { until } from "../support/until.js";

const PRESETS = ["feed", "parking", "attendance", "tracker", "repair-shop", "dashboard"];

describe("the live page", () => {
  let gate;
  let browser;
  let live;

  before(async () => {
    gate = await Gate.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await gate?.stop();
  });
  beforeEach(async () => {
    live = await Live.open(browser, gate.pageUrl);
  });
  afterEach(async () => {
    await live.close();
    assert.deepEqual(live.problems, [], "the browser complained");
  });

  it("says what the node is, what is seen and how Django comes in", async () => {
    assert.match(await live.test("version").textContent(), /^version \d+\.\d+\.\d+/);
    assert.equal(await live.test("layer").textContent(), "embedded layer");
    assert.match(await live.test("intro").textContent(), /WebSocket or Socket\.IO.*REDIS_URL.*CHANNEL_LAYERS.*group_send/s);
    assert.deepEqual(await live.page.locator("[data-testid=consumer] h3").allTextContents().then((names) => names.sort()), [...PRESETS].sort());
  });

  it("connects and disconnects every preset", async () => {
    for (const name of PRESETS) await live.connect(name);
    await until("all are counted", async () => (await live.test("count-open").textContent()) === "6 of 6");
    for (const name of PRESETS) {
      await live.in(name, "consumer-toggle").click();
      await live.stateIs(name, /^Closed by you, 1000/);
    }
    await until("no socket is counted", async () => (await live.test("count-open").textContent()) === "0 of 6");
  });

  it("shows feed events as {event, data}", async () => {
    await live.connect("feed");
    let count = 0;
    for (const title of ["client_create", "employee_attendance"]) {
      const { group, event } = await live.choose(title);
      assert.deepEqual([group, event.type], ["broadcast", "send_event"]);
      assert.match(await live.publish(), /^200 .*"accepted": ?1/);
      const frames = await live.receives("feed", ++count);
      assert.deepEqual(frames.at(-1), { event: title, data: event.data });
    }
  });

  it("greets an attendance client, answers its ping and shows updates", async () => {
    await live.connect("attendance");
    const [hello] = await live.receives("attendance", 1);
    assert.deepEqual(hello, { type: "connection_established", message: "Connected to attendance updates" });

    await live.expand("attendance");
    await live.in("attendance", "message-text").fill('{"type":"ping","timestamp":1234}');
    await live.in("attendance", "message-send").click();
    assert.deepEqual((await live.receives("attendance", 2))[1], { type: "pong", timestamp: 1234 });

    const { event } = await live.choose("check_in");
    await live.publish();
    assert.deepEqual((await live.receives("attendance", 3))[2], { type: "attendance_update", data: event.data });
  });

  it("delivers to a parking subscriber only its types, and nothing before the first subscribe", async () => {
    await live.connect("parking");
    const send = (type, id) => gate.publish("user_7_notifications", { type, message: `number ${id}`, data: { id } });
    await send("new_reservation", 1);
    await live.subscribe("parking", ["reservation"]);
    // The subscribe goes over the socket and the publish over HTTP, so publish until the subscribe has been taken.
    let id = 100;
    await until("the first frame", async () => {
      await send("reservation_expired", ++id);
      return (await live.framesJson("parking")).length > 0;
    });
    await send("new_parking_lot", 2);
    await send("reservations", 3);
    await send("upcoming_reservation", 4);
    const frames = await until("the last frame", async () => {
      const all = await live.framesJson("parking");
      return all.at(-1)?.data.id === 4 && all;
    });
    const ids = frames.map((frame) => frame.data.id);
    assert.deepEqual(ids.filter((each) => each < 100), [4], "of the four others only the last is a reservation");
    assert.deepEqual(frames.at(-1), { type: "notification", message: "number 4", data: { id: 4 } });
  });

  it("connects as the user that is asked for", async () => {
    await live.expand("parking");
    await live.in("parking", "user-id").fill("42");
    assert.match(await live.in("parking", "consumer-groups").textContent(), /user_42_notifications/);
    await live.connect("parking");
    await live.subscribe("parking", ["visit"]);
    await until("a frame for user 42", async () => {
      await gate.publish("user_7", { type: "visit", message: "for 7", data: {} });
      await gate.publish("user_42", { type: "visit", message: "for 42", data: {} });
      return (await live.framesJson("parking")).length > 0;
    });
    assert.deepEqual([...new Set((await live.framesJson("parking")).map(({ message }) => message))], ["for 42"]);
  });

  it("tries everything at one press and says what came of it", async () => {
    await live.test("try-everything").click();
    const status = await until("a result", async () => {
      const text = await live.test("try-status").textContent();
      return /published/.test(text) && text;
    }, 40_000);
    const [, published, arrived] = /^(\d+) events published, (\d+) arrived\./.exec(status) ?? assert.fail(status);
    const samples = await live.page.locator("[data-testid=publish-sample] optgroup option").count();
    assert.deepEqual([Number(published), Number(arrived)], [samples, samples]);
    for (const name of PRESETS) assert.ok((await live.frames(name)).length > 0, `${name} received`);
    await until("a median", async () => /^\d+(\.\d)? ms$/.test(await live.test("count-latency").textContent()));
  });

  for (const [what, times] of Object.entries({
    "awaits frames that come after the answers to all its publishes": { late: 500 },
    "publishes anew what was there before its subscribe or join": { behind: 1500 },
  })) {
    it(what, async () => {
      const proxy = await meter(gate.port, times);
      const far = await Live.open(browser, `${proxy.url}#key=${gate.key}`);
      try {
        await far.test("try-everything").click();
        const status = await until("a result", async () => {
          const text = await far.test("try-status").textContent();
          return /published/.test(text) && text;
        }, 40_000);
        const samples = await far.page.locator("[data-testid=publish-sample] optgroup option").count();
        assert.ok(status.startsWith(`${samples} events published, ${samples} arrived.`), status);
        assert.deepEqual(far.problems, []);
      } finally {
        await far.close();
        await proxy.close();
      }
    });
  }

  it("shows and hides what a card can do, and opens it where something is missing", async () => {
    const body = live.in("parking", "user-id");
    assert.ok(await body.isHidden());
    await live.in("parking", "consumer-open").click();
    assert.ok(await body.isVisible());
    await body.fill("");
    await live.in("parking", "consumer-open").click();
    assert.ok(await body.isHidden());
    await live.in("parking", "consumer-toggle").click();
    assert.match(await live.in("parking", "consumer-state").textContent(), /Fill in “User id” first/);
    await until("the field has the focus", async () => (await body.isVisible()) && (await body.evaluate((field) => field === document.activeElement)));
  });

  it("marks the frame that a publish caused, with its latency", async () => {
    await live.connect("feed");
    await live.choose("client_create");
    await live.publish();
    const latency = live.page.locator("[data-testid=frame][data-consumer=feed].answered [data-testid=frame-latency]");
    assert.match(await latency.textContent(), /^\d+(\.\d)? ms$/);
    await until("the panel names the consumer", async () => /feed: frame after/.test(await live.test("publish-answer").textContent()));
  });

  it("explains a publish that reaches no client", async () => {
    await live.choose("client_create");
    await live.publish();
    const answer = () => live.test("publish-answer").textContent();
    await until("the reason", async () => /connect “feed” first/.test(await answer()));
    await live.test("publish-group").fill("another.group");
    await live.publish();
    await until("the reason", async () => /none of its consumers joins “another\.group”/.test(await answer()));
  });

  it("refuses a bad group or event while it is typed, and says why", async () => {
    const send = live.test("publish-send");
    for (const [field, text, reason] of [
      ["group", "", /needed/],
      ["group", "room:7", /not “:”/],
      ["group", "x".repeat(100), /shorter than 100/],
      ["event", "{", /JSON/],
      ["event", "[1]", /object/],
    ]) {
      await live.choose("client_create");
      assert.ok(await send.isEnabled());
      await live.test(`publish-${field}`).fill(text);
      assert.match(await live.test(`publish-${field}-error`).textContent(), reason);
      assert.equal(await live.test(`publish-${field}`).getAttribute("aria-invalid"), "true");
      assert.ok(await send.isDisabled(), `${field} ${text}`);
    }
  });

  it("writes the same call for Django", async () => {
    await live.test("publish-event").fill('{"type": "x.y", "data": {"none": null, "yes": true, "list": [1, "é"]}}');
    await live.test("publish-group").fill("broadcast");
    await live.test("django-toggle").click();
    const code = await live.test("django-code").textContent();
    assert.match(code, /channel_layer\.group_send\)\(\s+"broadcast",\s+\{/);
    assert.match(code, /"none": None,\s+"yes": True,\s+"list": \[\s+1,\s+"é",\s+\]/);
  });

  it("filters, pauses and clears", async () => {
    await live.connect("feed");
    for (const id of [1, 2, 3]) await gate.publish("broadcast", { type: "send_event", event: "filtered", data: { id: `number ${id}` } });
    await live.receives("feed", 3);
    const visible = () => live.page.locator("[data-testid=frame]:visible").count();
    await live.test("frames-filter").fill("NUMBER 2");
    assert.equal(await visible(), 1);
    await live.test("frames-filter").fill("");
    await live.test("frames-consumer").selectOption("parking");
    assert.equal(await visible(), 0);
    await live.test("frames-consumer").selectOption("");

    await live.test("frames-pause").click();
    await gate.publish("broadcast", { type: "send_event", event: "paused", data: {} });
    await until("the pause counts", async () => (await live.test("frames-pause").textContent()) === "Resume (1 new)");
    assert.equal((await live.framesJson("feed")).length, 3);
    await live.test("frames-pause").click();
    await live.receives("feed", 4);

    await live.test("frames-clear").click();
    assert.equal(await visible(), 0);
    assert.ok(await live.test("frames-empty").isVisible());
  });

  it("keeps the last 200 frames of a burst, in order, and counts them all", async () => {
    await live.connect("feed");
    const events = Array.from({ length: 1000 }, (_, id) => ({ type: "send_event", event: "burst", data: { id } }));
    await gate.publish("broadcast", events);
    await until("all are counted", async () => (await live.test("count-in").textContent()) === "1,000");
    const frames = await until("the last is drawn", async () => {
      const all = await live.framesJson("feed");
      return all.at(-1)?.data.id === 999 && all;
    });
    assert.deepEqual(frames.map(({ data }) => data.id), Array.from({ length: 200 }, (_, index) => 800 + index));
  });

  it("shows what strangers send as text, never as markup", async () => {
    await live.connect("feed");
    const data = { text: "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>", "<b>key": 1 };
    await gate.publish("broadcast", { type: "send_event", event: "markup", data });
    assert.deepEqual((await live.receives("feed", 1))[0].data, data);
    assert.equal(await live.page.locator("[data-testid=frames] :is(img, script, b)").count(), 0);
    assert.equal(await live.page.title(), "Channelgate, live");
  });
});

describe("the live page at the address that the node prints", () => {
  it("has the key for this tab alone, and not in the address, the page or its scripts", async () => {
    const gate = await Gate.start();
    const browser = await launch();
    try {
      const live = await Live.open(browser, gate.pageUrl);
      assert.equal(live.page.url(), gate.url);
      await live.page.reload();
      await live.connect("feed");
      await live.choose("client_create");
      assert.match(await live.publish(), /^200 /);
      for (const path of ["", "page/app.js", "page/publish.js", "page/consumers"]) {
        const text = await (await fetch(gate.url + path)).text();
        assert.ok(!text.includes(gate.key), path);
      }
      const other = await Live.open(browser, gate.url);
      await other.choose("client_create");
      assert.match(await other.publish(), /^401 /, "another tab does not know it");
      await other.page.goto(gate.pageUrl);
      await other.test("publish-send").click();
      await until("the key is taken from an address that only adds it", async () => /^200 /.test(await other.test("publish-answer").textContent()));
    } finally {
      await browser.close();
      await gate.stop();
    }
  });
});

describe("the live page of a node whose publish API has a key", () => {
  it("asks for the key and uses it", async () => {
    const gate = await Gate.start({ environment: { CHANNELGATE_API_KEY: "the-key-of-this-test" } });
    const browser = await launch();
    try {
      const live = await Live.open(browser, gate.url);
      await live.connect("feed");
      const { event } = await live.choose("client_create");
      await live.test("publish-key").fill("another");
      assert.match(await live.publish(), /^401 /);
      await live.test("publish-key").fill("the-key-of-this-test");
      await live.test("publish-send").click();
      assert.deepEqual((await live.receives("feed", 1))[0], { event: "client_create", data: event.data });
    } finally {
      await browser.close();
      await gate.stop();
    }
  });
});

describe("the live page of a node with its own configuration", () => {
  it("asks for the parameters of a path and joins their group", async () => {
    const config = fileURLToPath(new URL("../fixtures/orders.toml", import.meta.url));
    const gate = await Gate.start({ environment: { CHANNELGATE_CONFIG: config } });
    const browser = await launch();
    try {
      const live = await Live.open(browser, gate.pageUrl);
      await live.expand("orders");
      await live.in("orders", "route-id").fill("");
      await live.in("orders", "consumer-toggle").click();
      assert.match(await live.in("orders", "consumer-state").textContent(), /Fill in/);
      await live.in("orders", "route-id").fill("12");
      assert.equal(await live.in("orders", "consumer-groups").textContent(), "Joins order_12");
      await live.connect("orders");
      await gate.publish("order_11", { type: "order.paid", id: 11 });
      await gate.publish("order_12", { type: "order.paid", id: 12 });
      assert.deepEqual(await live.receives("orders", 1), [{ type: "order.paid", id: 12 }]);
      assert.deepEqual(live.problems, []);
    } finally {
      await browser.close();
      await gate.stop();
    }
  });
});
