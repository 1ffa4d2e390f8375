// The client for pages without a bundler (static/channelgate of the Django package), in Chromium against a real node.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Gate } from "../support/gate.js";
import { launch } from "../support/live.js";
import { open } from "../support/page.js";
import { until } from "../support/until.js";

const CONFIG = fileURLToPath(new URL("../fixtures/client.toml", import.meta.url));

describe("the client of a page", () => {
  let gate;
  let browser;

  before(async () => {
    gate = await Gate.start({ environment: { CHANNELGATE_CONFIG: CONFIG, CHANNELGATE_ALLOWED_ORIGINS: "127.0.0.1", CHANNELGATE_API_KEY: "the-key-of-the-tests" } });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await gate?.stop();
  });

  /** Opens a page, runs a test in it, and expects no error that nobody has handled. */
  const onPage = async (test, answers) => {
    const page = await open(browser, gate, answers);
    try {
      await test(page);
      assert.deepEqual(page.problems, []);
    } finally {
      await page.done();
    }
  };

  it("hands events to the handlers of their name, and all of them to *", () => onPage(async (page) => {
    await page.evaluate(async () => {
      window.seen = watched(connect(node("/ws/orders/7/")));
      window.mine = [];
      window.off = seen.client.on("order.status", (event) => mine.push(event.status));
      await opened(seen);
    });
    for (const status of ["paid", "sent"]) await gate.publish("order_7", { type: "order.status", status });
    await gate.publish("order_7", { type: "named", data: { id: 1 } });
    await gate.publish("order_8", { type: "order.status", status: "of another" });
    await page.evaluate(() => waitFor("three events", () => seen.events.length === 3));
    await page.evaluate(() => off());
    await gate.publish("order_7", { type: "order.status", status: "late" });
    const [events, mine, statuses, missed] = await page.evaluate(async () => {
      await waitFor("the last event", () => seen.events.length === 4);
      return [seen.events, mine, seen.statuses, seen.missed];
    });
    assert.deepEqual(mine, ["paid", "sent"]);
    assert.deepEqual(events[2], ["client_create", { id: 1 }]);
    assert.deepEqual(events.map(([, { status }]) => status), ["paid", "sent", undefined, "late"]);
    assert.deepEqual(statuses, ["open"]);
    assert.deepEqual(missed, []);
  }));

  it("keeps an error of one handler from the others, and reports it", async () => {
    const page = await open(browser, gate);
    try {
      await page.evaluate(async () => {
        const client = createClient({ url: node("/ws/orders/7/") });
        client.on("order.status", () => {
          throw new Error("a mistake of the page");
        });
        window.seen = watched(client);
        client.connect();
        await opened(seen);
      });
      await gate.publish("order_7", { type: "order.status", status: "paid" });
      await page.evaluate(() => waitFor("the event", () => seen.events.length === 1));
      // The browser reports it in a task of its own.
      await until("the report", () => page.problems.length > 0);
      assert.deepEqual(page.problems, ["a mistake of the page"]);
    } finally {
      await page.done();
    }
  });

  it("goes on where functions of the page fail, and reports what they throw", async () => {
    const page = await open(browser, gate);
    try {
      const found = await page.evaluate(async () => {
        const mistake = (text) => () => {
          throw new Error(text);
        };
        const client = createClient({ url: node("/ws/orders/7/"), dialect: { ...typed, write: mistake("of write") } });
        client.subscribe(mistake("of a listener"));
        client.want("room", "a");
        const listening = watched(client);
        client.connect();
        await opened(listening);
        const refused = watched(createClient({ url: node("/ws/orders/7/"), token: () => Promise.reject() }));
        refused.client.connect();
        await waitFor("a retry", () => refused.client.snapshot().status === "reconnecting");
        client.disconnect();
        refused.client.disconnect();
        return [listening.statuses, refused.statuses];
      });
      assert.deepEqual(found, [["connecting", "open", "closed"], ["connecting", "reconnecting", "closed"]]);
      await until("both reports", () => new Set(page.problems).size > 1);
      assert.deepEqual(new Set(page.problems), new Set(["of write", "of a listener"]));
    } finally {
      await page.done();
    }
  });

  it("fails with a reason that has no token where no WebSocket can be made", () => onPage(async (page) => {
    const found = await page.evaluate(async () => {
      const options = [{ url: "http://[bad" }, { url: "ftp://page/" }, { url: node("/ws/orders/7/"), tokenIn: "subprotocol", token: "c2VjcmV0==" }];
      return Promise.all(options.map(async (one) => {
        const seen = watched(createClient(one));
        seen.client.connect();
        await waitFor("an end", () => seen.client.snapshot().status !== "connecting");
        const { status, reason } = seen.client.snapshot();
        return `${status}: ${reason.text}`;
      }));
    });
    for (const text of found) assert.match(text, /^failed: invalid url or token$/);
  }));

  it("comes back after a restart, joins its rooms again, and says what may be missing", () => onPage(async (page) => {
    await page.evaluate(async () => {
      Math.random = () => 0;
      window.seen = watched(connect(node("/ws/orders/7/")));
      seen.client.want("topic", "weather");
      window.release = seen.client.want("room", "lobby_1");
      seen.client.want("room", "lobby_1");
      window.leaveTwo = seen.client.want("room", "lobby_2");
      await waitFor("joined", () => seen.events.length === 3);
      release();
      release();
      leaveTwo();
      await waitFor("left", () => seen.events.at(-1)[0] === "left");
    });
    assert.deepEqual(await page.evaluate(() => seen.events.map(([event, data]) => [event, data.room ?? data.topic])), [
      ["subscribed", "weather"],
      ["joined", "lobby_1"],
      ["joined", "lobby_2"],
      ["left", "lobby_2"],
    ]);
    const stopped = Date.now();
    await gate.stop();
    await page.evaluate(async () => {
      await waitFor("the loss", () => seen.client.snapshot().status === "reconnecting");
      seen.events.length = 0;
    });
    await gate.start();
    // The page is open before the node has carried out its joins.
    await page.evaluate(() => waitFor("open again, with its rooms", () => seen.missed.length === 1 && seen.events.length === 2));
    await gate.publish("lobby_1", { type: "said", text: "again" });
    await gate.publish("lobby_2", { type: "said", text: "not here" });
    await gate.publish("order_7", { type: "news", topic: "sport" });
    await gate.publish("order_7", { type: "news", topic: "weather" });
    const [events, [missed], statuses, snapshot] = await page.evaluate(async () => {
      await waitFor("the events", () => seen.events.length === 4);
      return [seen.events, seen.missed, seen.statuses, seen.client.snapshot()];
    });
    assert.deepEqual(events.map(([event]) => event), ["subscribed", "joined", "said", "news"]);
    assert.equal(events[3][1].topic, "weather");
    assert.equal(missed.reason, "reconnected");
    assert.ok(missed.since <= stopped && missed.until >= stopped, JSON.stringify({ missed, stopped }));
    // However often it tried while the node was away.
    assert.deepEqual(statuses, ["open", "reconnecting", "open"]);
    assert.deepEqual([snapshot.missed, snapshot.retryAt, snapshot.reason], [null, null, null]);
  }));

  it("says what may be missing also where the connection was lost at once after its first event", () => onPage(async (page) => {
    const [statuses, missed] = await page.evaluate(async () => {
      Math.random = () => 0;
      const seen = watched(connect(node("/ws/orders/7/")));
      seen.client.want("room", "lobby_1");
      let lost = false;
      seen.client.on("joined", () => {
        if (!lost) seen.client.send("end_1012");
        lost = true;
      });
      await waitFor("a second connection", () => seen.missed.length === 1);
      return [seen.statuses, seen.missed];
    });
    assert.deepEqual(statuses, ["open", "reconnecting", "open"]);
    assert.equal(missed[0].reason, "reconnected");
  }));

  it("says at a gap what may be missing, again until a handler succeeds, and never twice at once", () => onPage(async (page) => {
    const [calls, aborted, snapshot] = await page.evaluate(async () => {
      Math.random = () => 0;
      const seen = watched(connect(node("/ws/orders/7/")));
      const calls = [];
      const signals = [];
      seen.client.onMissed(async (missed, signal) => {
        calls.push([missed.reason, missed.detail, missed.groups]);
        signals.push(signal);
        if (calls.length === 1) await new Promise((resolve) => void signal.addEventListener("abort", resolve));
        if (calls.length === 2) throw new Error("the server is busy");
      });
      await opened(seen);
      seen.client.send("lose");
      await waitFor("the first call", () => calls.length === 1);
      if (!seen.client.snapshot().missed) throw new Error("while it is loaded, it is missing");
      seen.client.send("lose");
      await waitFor("the repetition", () => calls.length === 3);
      await waitFor("all is loaded", () => seen.client.snapshot().missed === null);
      return [calls, signals.map(({ aborted }) => aborted), seen.client.snapshot()];
    });
    assert.deepEqual(calls, Array.from({ length: 3 }, () => ["gap", "overflow", ["order_7"]]));
    assert.deepEqual(aborted, [true, false, false]);
    assert.equal(snapshot.status, "open");
  }));

  it("knows what close codes mean", () => onPage(async (page) => {
    const results = await page.evaluate(async () => {
      Math.random = () => 0.999;
      const after = async (code, options = {}) => {
        const seen = watched(connect(node("/ws/orders/7/"), options));
        await opened(seen);
        const ended = new Promise((resolve) => {
          seen.client.subscribe(() => {
            const { status, attempt, since, retryAt, reason } = seen.client.snapshot();
            // By the clock of the close itself. No two attempts are closer than 250 ms.
            const wait = retryAt - since > 250 ? Math.round((retryAt - since) / 100) / 10 : null;
            if (status !== "open") resolve([status, attempt, wait, reason.text]);
          });
        });
        seen.client.send(`end_${code}`);
        const how = await ended;
        seen.client.disconnect();
        return how;
      };
      const codes = [1000, 1008, 1011, 1012, 1013, 4000, 4401, 4403, 4408, 4999];
      const found = await Promise.all(codes.map(async (code) => [code, await after(code)]));
      return Object.fromEntries([...found, ["of the page", await after(4999, { closeCodes: { 4999: "unauthorized" } })]]);
    });
    assert.deepEqual(results, {
      1000: ["closed", 0, null, ""],
      1008: ["failed", 0, null, ""],
      1011: ["reconnecting", 1, 6, ""],
      1012: ["reconnecting", 0, 2, ""],
      1013: ["reconnecting", 1, 6, ""],
      4000: ["failed", 0, null, "the order is closed"],
      // Once more; within 10 s a second time it is "unauthorized".
      4401: ["reconnecting", 0, null, ""],
      4403: ["unauthorized", 0, null, ""],
      4408: ["reconnecting", 1, 1, ""],
      4999: ["reconnecting", 1, 1, ""],
      "of the page": ["unauthorized", 0, null, ""],
    });
  }));

  it("never hurries, and wakes with the network", () => onPage(async (page) => {
    const { apart, pauses } = await page.evaluate(async () => {
      const attempts = [];
      const Real = WebSocket;
      window.WebSocket = class extends Real {
        constructor(...words) {
          attempts.push(Date.now());
          super(...words);
        }
      };
      Math.random = () => 0;
      const client = connect(node("/ws/nowhere/"));
      const pauses = [];
      client.subscribe(() => {
        const { retryAt } = client.snapshot();
        if (retryAt !== null) pauses.push(retryAt - Date.now());
      });
      await waitFor("five attempts", () => attempts.length === 5);
      const apart = attempts.slice(1).map((at, index) => at - attempts[index]);
      client.disconnect();

      // What wakes a page wakes its connection, too: this one would wait for an hour.
      Math.random = () => 1;
      const other = connect(node("/ws/nowhere/"), { backoff: { base: 3_600_000, cap: 3_600_000 } });
      await waitFor("the pause", () => other.snapshot().retryAt !== null);
      Math.random = () => 0;
      const count = attempts.length;
      const { retryAt } = other.snapshot();
      dispatchEvent(new Event("online"));
      await waitFor("an attempt", () => attempts.length > count);
      if (attempts[count] >= retryAt) throw new Error(`it came ${attempts[count] - retryAt} ms after its own time`);
      other.disconnect();
      return { apart, pauses };
    });
    assert.ok(apart.every((ms) => ms >= 200), `${apart}`);
    // As it means it: the node's refusals, and timers, may come late.
    assert.ok(pauses.every((ms) => ms <= 250), `${pauses}`);
  }));

  describe("and tokens", () => {
    const json = (body, more = {}) => ({ body: JSON.stringify(body), ...more });

    it("asks for a fresh token for each attempt, and shows it", async () => {
      const asked = [];
      const answers = {
        "/api/user/ws-token/": async (request) => {
          asked.push(request.headers.authorization);
          if (asked.length === 1) return json({}, { status: 503, headers: { "Retry-After": "0" } });
          return json({ ws_token: asked.length === 2 ? "of yesterday" : await gate.token(7) });
        },
      };
      await onPage(async (page) => {
        const events = await page.evaluate(async () => {
          Math.random = () => 0;
          const token = wsToken(undefined, { authorization: () => "Bearer access" });
          const seen = watched(connect(node("/ws/mine/"), { token }));
          await waitFor("the welcome", () => seen.events.length === 1);
          await opened(seen);
          seen.client.disconnect();
          const addresses = [];
          window.WebSocket = class extends WebSocket {
            constructor(url, protocols) {
              super(url, protocols);
              addresses.push(String(url));
            }
          };
          const other = watched(connect(node("/ws/mine/"), { token, tokenIn: "subprotocol" }));
          await waitFor("the other welcome", () => other.events.length === 1);
          if (addresses.join().includes("token")) throw new Error(addresses);
          return [...seen.events, ...other.events];
        });
        assert.deepEqual(events.map(([event, { user }]) => [event, String(user)]), [["welcome", "7"], ["welcome", "7"]]);
        assert.deepEqual(asked, Array.from({ length: 4 }, () => "Bearer access"));
      }, answers);
    });

    it("stops where nobody is logged in, and tries again when the page says so", async () => {
      let loggedIn = false;
      let asked = 0;
      const answers = {
        "/api/user/ws-token/": async () => {
          asked += 1;
          return loggedIn ? json({ ws_token: await gate.token(7) }) : json({}, { status: 401 });
        },
        "/api/old/": () => json({ ws_token: "of yesterday" }),
      };
      await onPage(async (page) => {
        await page.evaluate(async () => {
          Math.random = () => 0;
          window.seen = watched(connect(node("/ws/mine/"), { token: wsToken() }));
          await waitFor("the end", () => seen.client.snapshot().status === "unauthorized");
          // One fresh token at once, and no second one that is not valid either.
          const old = watched(connect(node("/ws/mine/"), { token: wsToken("/api/old/") }));
          await waitFor("the end", () => old.client.snapshot().status === "unauthorized");
          if (old.client.snapshot().reason.code !== 4003) throw new Error(JSON.stringify(old.client.snapshot()));
        });
        assert.equal(asked, 1);
        loggedIn = true;
        await page.evaluate(async () => {
          seen.client.reconnect();
          await opened(seen);
        });
      }, answers);
    });
  });

  it("connects elements, tells them events, and ends with them", () => onPage(async (page) => {
    const connections = async () => {
      const text = await (await fetch(`${gate.url}metrics`)).text();
      return [...text.matchAll(/^channelgate_connections{.*} (\d+)/gm)].reduce((sum, [, value]) => sum + Number(value), 0);
    };
    await until("no connection", async () => (await connections()) === 0);
    await page.evaluate(async () => {
      document.body.innerHTML = `<main><section cg-connect="${node("/ws/orders/7/")}"></section></main>`;
      window.told = [];
      document.querySelector("main").addEventListener("cg:order.status", ({ detail }) => told.push(detail.status));
      await import("/static/channelgate/elements.js");
      await waitFor("open", () => document.querySelector("section").getAttribute("cg-status") === "open");
    });
    await gate.publish("order_7", { type: "order.status", status: "paid" });
    await page.evaluate(() => waitFor("the event", () => told.join() === "paid"));
    await page.evaluate(async () => {
      document.querySelector("section").setAttribute("cg-connect", node("/ws/orders/8/"));
      document.querySelector("main").insertAdjacentHTML("beforeend", `<p cg-connect="${node("/ws/orders/9/")}"></p>`);
      await waitFor("open", () => document.querySelector("p").getAttribute("cg-status") === "open");
    });
    await until("two connections", async () => (await connections()) === 2);
    await page.evaluate(() => document.querySelector("main").remove());
    await until("no connection", async () => (await connections()) === 0);
  }));
});
