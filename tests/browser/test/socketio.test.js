// The Socket.IO clients of the live page, in a real browser against the real node.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Gate } from "../support/gate.js";
import { launch, Live } from "../support/live.js";
import { until } from "../support/until.js";

const repository = new URL("../../../", import.meta.url);

/** What the presets' own documents promise to a client of a room. */
const UPDATE = {
  employee_id: "EMP014", employee_name: "Meera Joshi", status: "present", date: "2026-03-02",
  timestamp: "2026-03-02T09:31:07+05:30", device: "Front desk", isLate: null,
};

describe("the Socket.IO presets on the live page", () => {
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

  it("use the official client, byte for byte as it is published", async () => {
    const published = await readFile(new URL("tests/socketio/node_modules/socket.io-client/dist/socket.io.esm.min.js", repository), "utf8");
    const served = await (await fetch(`${gate.url}page/vendor/socket.io.esm.min.js`)).text();
    assert.equal(served, published);
  });

  it("join a session of the tracker, and receive its events until they leave it", async () => {
    await live.connect("tracker");
    await live.expand("tracker");
    assert.equal(await live.in("tracker", "room-argument").inputValue(), "7");
    await live.in("tracker", "room-join").click();
    const rooms = live.in("tracker", "room-leave");
    assert.deepEqual(await rooms.allTextContents(), ["session:7"]);
    assert.match(await live.in("tracker", "consumer-groups").textContent(), /user_7.*session\.7/);
    const { event } = await live.choose("stats");
    // The join is not answered, and the publish takes another way to the node.
    await until("the room is joined", async () => {
      await gate.publish("session.7", { type: "probe", data: null });
      return (await live.events("tracker")).some((row) => row.event === "probe");
    });
    assert.match(await live.publish(), /^200 /);
    assert.deepEqual(await live.hears("tracker", "session-stats-update"), event.data);
    await until("the panel names the client", async () => /tracker: frame after/.test(await live.test("publish-answer").textContent()));

    await rooms.click();
    assert.equal(await rooms.count(), 0);
    // Events of one client are handled in order: once this one is answered, the room is left.
    await live.emit("tracker", "ping");
    await live.hears("tracker", "pong");
    await gate.publish("session.7", { type: "too-late", data: null });
    await gate.publish("user_7", { type: "emit", event: "still-here", data: 1 });
    await live.hears("tracker", "still-here");
    assert.ok((await live.events("tracker")).every((row) => row.event !== "too-late"));
  });

  it("offer events with arguments to try, and show the answer of the node", async () => {
    await live.connect("tracker");
    await live.expand("tracker");
    const templates = live.in("tracker", "event-template");
    await templates.getByText("markAttendance", { exact: true }).click();
    assert.equal(await live.in("tracker", "emit-event").inputValue(), "markAttendance");
    assert.deepEqual(JSON.parse(await live.in("tracker", "emit-arguments").inputValue()), [{ sessionId: 7, location: null }]);
    await live.in("tracker", "emit").click();
    assert.deepEqual(await live.hears("tracker", "error"), { message: "Failed to mark attendance" }, "without a backend");
    assert.deepEqual((await live.events("tracker", "out")).map((row) => row.event), ["markAttendance"]);
  });

  it("can be several clients that meet in a room and see who is online", async () => {
    await live.expand("repair-shop");
    // Another user than in the tests before: one who returns within the grace period was never offline.
    await live.in("repair-shop", "user-id").fill("70");
    await live.connect("repair-shop");
    const { userId, userName } = await live.hears("repair-shop", "user_online");
    assert.deepEqual([userId, userName], [70, "Ada"]);
    await live.in("repair-shop", "room-join").click();
    await live.in("repair-shop", "client-add").click();
    const second = "repair-shop 2";
    assert.equal(await live.in(second, "user-id").inputValue(), "8");
    await live.connect(second);
    await live.in(second, "room-join").click();
    await live.hears("repair-shop", "user_activity_update", (data) => data.userId === 8 && data.status === "online");
    await live.emit(second, "typing_start", '[{"roomName": "work_order_12", "message": "on my way"}]');
    assert.deepEqual(await live.hears("repair-shop", "user_typing_start"), { userId: 8, userName: "Grace", message: "on my way" });
    assert.ok((await live.events(second)).every((row) => row.event !== "user_typing_start"), "the others alone");
    await live.in(second, "client-remove").click();
    assert.equal(await live.card(second).count(), 0);
    await live.hears("repair-shop", "user_activity_update", (data) => data.userId === 8 && data.status === "offline");
    assert.equal(await live.test("count-open").textContent(), "1 of 6");
  });

  it("connect to the dashboard without a token, and join the room of an employee and the general one", async () => {
    await live.connect("dashboard");
    await live.expand("dashboard");
    assert.equal(await live.in("dashboard", "user-id").inputValue(), "");
    for (const join of await live.in("dashboard", "room-join").all()) await join.click();
    assert.deepEqual(await live.in("dashboard", "room-leave").allTextContents(), ["attendance_EMP014", "general_attendance"]);
    await until("both rooms are joined", async () => {
      await gate.publish("attendance_updates", { type: "attendance_update", data: { ...UPDATE, user_name: UPDATE.employee_name } });
      return (await live.events("dashboard")).some((row) => row.event === "general_attendance_update");
    });
    assert.deepEqual(await live.hears("dashboard", "attendance_update"), UPDATE);
    assert.deepEqual(await live.hears("dashboard", "general_attendance_update"), UPDATE);
    assert.match(await live.in("dashboard", "consumer-shared").textContent(), /tracker and repair-shop/);
  });

  it("explain why no event arrives while no room is joined", async () => {
    await live.connect("dashboard");
    await live.test("publish-group").fill("attendance_updates");
    await live.test("publish-event").fill('{"type": "attendance_update", "data": {"employee_id": "EMP014"}}');
    await live.publish();
    await until("the reason", async () => /“dashboard” emits to rooms/.test(await live.test("publish-answer").textContent()));
  });
});

describe("the Socket.IO namespaces of a configuration on the live page", () => {
  const config = fileURLToPath(new URL("../fixtures/namespaces.toml", import.meta.url));
  let gate;
  let browser;
  let live;

  before(async () => {
    gate = await Gate.start({ environment: { CHANNELGATE_CONFIG: config } });
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

  it("acknowledge events", async () => {
    assert.equal(await live.in("echo", "consumer-path").textContent(), "/socket.io/ /echo");
    await live.connect("echo");
    await live.emit("echo", "echo", '["a", {"b": [1, null]}]', { ack: true });
    const [answer] = await until("the acknowledgement", async () => {
      const rows = (await live.events("echo")).filter((row) => row.mark === "acknowledgement");
      return rows.length > 0 && rows;
    });
    assert.deepEqual([answer.event, answer.data], ["echo", ["a", { b: [1, null] }]]);
    assert.equal((await live.events("echo", "out"))[0].mark, "asks for an acknowledgement");
    const sizes = await live.page.locator("[data-testid=frame][data-direction=in] [data-testid=frame-size]").allTextContents();
    assert.deepEqual(sizes, [`${Buffer.byteLength('3/echo,0["a",{"b":[1,null]}]')} B`], "as on the wire");
  });

  it("show that an acknowledgement did not come", async () => {
    await live.connect("echo");
    await live.emit("echo", "silent", "", { ack: true });
    const notes = live.page.locator("[data-testid=frame][data-direction=note]");
    await notes.filter({ hasText: "No acknowledgement of “silent”" }).waitFor();
  });

  it("receive the acknowledgements that they ask for", async () => {
    await live.connect("echo");
    await live.emit("echo", "ask");
    assert.deepEqual(await live.hears("echo", "question"), { who: "you" });
    assert.deepEqual(await live.hears("echo", "answered"), { ok: true });
    assert.ok((await live.events("echo", "out")).some((row) => row.event === "question" && row.mark === "acknowledgement"));
  });

  it("receive no event that is not well formed, and the page says what is wrong", async () => {
    await live.connect("echo");
    const error = live.in("echo", "emit-error");
    for (const [event, args, reason] of [
      ["", "", /has a name/],
      ["echo", "{", /not JSON/],
      ["echo", '{"a": 1}', /are a list/],
      ["connect", "", /reserved/],
    ]) {
      await live.emit("echo", event, args);
      assert.match(await error.textContent(), reason);
    }
    assert.deepEqual(await live.events("echo", "out"), []);
    await live.emit("echo", "silent");
    assert.ok(await error.isHidden());
  });

  it("send bytes, which are shown and counted", async () => {
    await live.connect("echo");
    await live.expand("echo");
    await live.in("echo", "room-argument").fill("7");
    await live.in("echo", "room-join").click();
    await until("another client is heard in the room", async () => {
      await live.page.evaluate(async () => {
        const { io } = await import("/page/vendor/socket.io.esm.min.js");
        const other = io("/echo", { forceNew: true, transports: ["websocket"] });
        await new Promise((resolve) => void other.on("connect", resolve));
        other.emit("tell", 7, new Uint8Array([1, 2, 255]).buffer);
        // Events of one client are handled in order: this one is answered last.
        await other.emitWithAck("echo");
        other.disconnect();
      });
      return (await live.events("echo")).length > 0;
    });
    assert.equal(await live.hears("echo", "told"), "binary 01 02 ff");
    const size = live.page.locator('[data-testid=frame][data-event="told"] [data-testid=frame-size]');
    const packet = '51-/echo,["told",{"_placeholder":true,"num":0}]';
    assert.equal(await size.first().textContent(), `${packet.length + 3} B`);
  });

  it("send hostile names and data, which stay text", async () => {
    await live.connect("echo");
    const name = "<img src=x onerror=document.title='taken'>";
    const data = { "<b>key</b>": "<script>document.title='taken'</script>", __proto__: 1, "\u202etxt": "\u0000\u2028" };
    await live.emit("echo", "say", JSON.stringify([name, data]));
    assert.deepEqual(await live.hears("echo", name), JSON.parse(JSON.stringify(data)));
    await gate.publish("everywhere", { type: "constructor", data: { toJSON: "no function", length: -1 } });
    assert.deepEqual(await live.hears("echo", "constructor"), { toJSON: "no function", length: -1 });
    await live.in("echo", "room-argument").fill("<i>room</i>");
    await live.in("echo", "room-join").click();
    assert.deepEqual(await live.in("echo", "room-leave").allTextContents(), ["room:<i>room</i>"]);
    assert.equal(await live.page.locator("#frames :is(img, script, b, i), #cards :is(img, script, b, i)").count(), 0);
    assert.equal(await live.page.title(), "Channelgate, live");
  });

  it("refuse a client with a reason, which is shown as text and not retried", async () => {
    await live.in("closed", "consumer-toggle").click();
    await live.stateIs("closed", /^Refused by the namespace: Not <b>today<\/b>$/);
    assert.equal(await live.card("closed").locator("b").count(), 0);
    assert.equal(await live.card("closed").getAttribute("data-state"), "closed");
    await until("it is announced", async () => /^closed: Refused/.test(await live.test("announce").textContent()));
    await live.connect("members");
    assert.deepEqual(await live.hears("members", "hello"), { id: 7 });
  });

  it("can disconnect a client, which does not reconnect by itself", async () => {
    await live.connect("echo");
    await live.emit("echo", "quit");
    await live.stateIs("echo", /^Disconnected by the node$/);
    await live.connect("echo");
  });
});

describe("the Socket.IO clients of the live page", () => {
  it("need the key for a token, and say so", async () => {
    const gate = await Gate.start({ environment: { CHANNELGATE_API_KEY: "the-key-of-this-test" } });
    const browser = await launch();
    const live = await Live.open(browser, gate.url);
    try {
      await live.in("tracker", "consumer-toggle").click();
      await live.stateIs("tracker", /^No token: /);
      await live.connect("dashboard");
      await live.test("publish-key").fill("the-key-of-this-test");
      await live.connect("tracker");
    } finally {
      await live.close();
      await browser.close();
      await gate.stop();
    }
  });

  it("take a pasted token where a backend would act for the user", async () => {
    const secret = "a-secret-key-for-this-test-alone-0123456789";
    const gate = await Gate.start({ environment: { DJANGO_SECRET_KEY: secret, CHANNELGATE_BACKEND_URL: "http://127.0.0.1:9/" } });
    const browser = await launch();
    const live = await Live.open(browser, gate.pageUrl);
    try {
      await live.in("repair-shop", "consumer-toggle").click();
      assert.match(await live.in("repair-shop", "consumer-state").textContent(), /Fill in “Token \(JWT\)” first/);
      await live.in("repair-shop", "token").fill("x");
      await live.in("repair-shop", "consumer-toggle").click();
      await live.stateIs("repair-shop", /^Refused by the namespace: /);
      await live.in("repair-shop", "token").fill(gate.accessToken(7));
      await live.connect("repair-shop");
    } finally {
      await live.close();
      await browser.close();
      await gate.stop();
    }
  });
});

describe("the Socket.IO clients of the live page, when the node restarts,", () => {
  it("reconnect with a new token and join their rooms again", async () => {
    // A key that the node makes for itself would change with the restart.
    const gate = await Gate.start({ environment: { CHANNELGATE_API_KEY: "the-key-of-this-test" } });
    const browser = await launch();
    const live = await Live.open(browser, gate.pageUrl);
    try {
      await live.connect("tracker");
      await live.expand("tracker");
      await live.in("tracker", "room-join").click();
      const stopped = gate.stop();
      const notes = live.page.locator("[data-testid=frame][data-direction=note]").filter({ hasText: "tracker" });
      await notes.filter({ hasText: /Closed 1012, service restart|transport close/ }).first().waitFor();
      await live.stateIs("tracker", /Try \d+ in \d+\.\d s|Connecting/);
      assert.equal((await stopped).code, 0, "a drained node ends well");

      await gate.start();
      await live.stateIs("tracker", /^Open$/, 45_000);
      assert.deepEqual(await live.in("tracker", "room-leave").allTextContents(), ["session:7"]);
      await until("the room is joined again", async () => {
        await gate.publish("session.7", { type: "again", data: null });
        return (await live.events("tracker")).some((row) => row.event === "again");
      });
    } finally {
      await live.close();
      await browser.close();
      await gate.stop();
    }
  });
});
