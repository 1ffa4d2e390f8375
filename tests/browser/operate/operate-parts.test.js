// The parts of the operator's view that need no page: merging samples, scales, how numbers read, the admin API, the live
// stream. They run here as they are served.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, describe, it, mock } from "node:test";

const load = (name) => import(new URL(`../../../src/http/page/operate/${name}.js`, import.meta.url));
const [model, scale, format, { Api }, { LiveStream }] = await Promise.all(["model", "scale", "format", "api", "stream"].map(load));
const { STEPS } = model;

/** A history of some steps that ends at `end`; what is not given is 0. */
function history(end, events, more = {}) {
  const zeros = events.map((value) => (value === null ? null : 0));
  return { step: 5, end, events, deliveries: zeros, connections: zeros, drops: {}, gaps: {}, bridge: {}, backend: {}, perNode: [], ...more };
}
const last = (values, count) => values.slice(STEPS - count);

describe("merging samples", () => {
  it("continues the history where the last message ended", () => {
    const older = model.joined(undefined, history(1000, [1, 2, 3]));
    const joined = model.joined(older, history(1010, [4, 5]));
    assert.equal(joined.end, 1010);
    assert.deepEqual(last(joined.events, 6), [null, 1, 2, 3, 4, 5]);
    assert.equal(joined.events.length, STEPS);
  });

  it("takes what two messages cover from the newer one", () => {
    const older = model.joined(undefined, history(1000, [1, 2, 3]));
    assert.deepEqual(last(model.joined(older, history(1005, [20, 30, 40])).events, 4), [1, 20, 30, 40]);
  });

  it("keeps a hole between two messages as unknown, and forgets what is older than 15 minutes", () => {
    const older = model.joined(undefined, history(1000, [1, 2]));
    assert.deepEqual(last(model.joined(older, history(1015, [3])).events, 5), [1, 2, null, null, 3]);
    const later = model.joined(older, history(1000 + STEPS * 5, [9]));
    assert.deepEqual(later.events.filter((value) => value !== null), [9]);
  });

  it("changes nothing at a message without new steps", () => {
    const older = model.joined(undefined, history(1000, [1, 2, 3]));
    assert.deepEqual(model.joined(older, history(1000, [])).events, older.events);
    assert.deepEqual(model.joined(older, history(995, [])).events, older.events);
  });

  it("reads a label that one message lacks as 0, and not where no node had a sample", () => {
    const older = model.joined(undefined, history(1000, [1, null, 3], { drops: { closed: [2, null, 0] } }));
    const joined = model.joined(older, history(1010, [4, 5], { drops: { slow_client: [0, 7] } }));
    assert.deepEqual(last(joined.drops.closed, 5), [2, null, 0, 0, 0]);
    assert.deepEqual(last(joined.drops.slow_client, 5), [0, null, 0, 0, 7]);
  });

  it("drops a label whose last value has left the 15 minutes", () => {
    const older = model.joined(undefined, history(1000, [1], { gaps: { capacity: [1] } }));
    const later = model.joined(older, history(1000 + STEPS * 5, Array.from({ length: STEPS }, () => 0)));
    assert.deepEqual(later.gaps, {});
  });

  it("keeps the line of a node that has ended, and begins that of a new one", () => {
    const older = model.joined(undefined, history(1000, [1, 2], { perNode: [{ node: "a", name: "node1", events: [1, 2], connections: [5, 5] }] }));
    const joined = model.joined(older, history(1005, [3], { perNode: [{ node: "b", name: "node2", events: [3], connections: [1] }] }));
    assert.deepEqual(joined.perNode.map(({ node, name, events }) => [node, name, last(events, 3)]), [
      ["a", "node1", [1, 2, null]],
      ["b", "node2", [null, null, 3]],
    ]);
  });

  it("takes a message's figures, and remembers the names of nodes that fall silent", () => {
    const first = model.after(undefined, {
      type: "stats", silent: [], data: { nodes: 2, perNode: [{ node: "a", name: "node1" }, { node: "b", name: "node2" }], history: history(1000, [1]) },
    });
    const next = model.after(first, { type: "sample", silent: ["b"], data: { nodes: 2, perNode: [{ node: "a", name: "node1" }], history: history(1005, [2]) } });
    assert.deepEqual([next.silent, next.names.b, next.perNode.length], [["b"], "node2", 1]);
    assert.deepEqual(last(next.history.events, 2), [1, 2]);
    assert.equal(model.after(next, { type: "tail", record: {} }), next);
  });

  it("takes ids and names for what they are, also those of properties that every object has", () => {
    const ids = ["constructor", "__proto__", "toString"];
    const first = model.after(undefined, { type: "stats", silent: ids, data: { nodes: 3, perNode: [], history: history(1000, [1]) } });
    assert.deepEqual(ids.map((id) => first.names[id]), [undefined, undefined, undefined]);
    const next = model.after(first, { type: "sample", silent: [], data: { perNode: ids.map((node) => ({ node, name: `the ${node}` })) } });
    assert.deepEqual(ids.map((id) => next.names[id]), ids.map((id) => `the ${id}`));
  });

  it("has no history before the first sample", () => {
    const state = model.after(undefined, { type: "stats", silent: [], data: { nodes: 1, perNode: [], history: history(0, []) } });
    assert.equal(state.history, undefined);
    assert.deepEqual([state.consumers, state.slow, state.largestRooms], [[], [], []]);
  });

  it("begins anew with the complete figures after a reconnect", () => {
    const first = model.after(undefined, { type: "stats", silent: [], data: { history: history(1000, [1, 2, 3]) } });
    const again = model.after(first, { type: "stats", silent: [], data: { history: history(1010, [8]) } });
    assert.deepEqual(again.history.events.filter((value) => value !== null), [8]);
  });
});

describe("what is made of samples", () => {
  it("ranks reasons by their number, and puts the smallest together", () => {
    const labels = { a: [1, null], b: [5, 0], c: [2, 2], d: [0, 1] };
    assert.deepEqual(model.ranked(labels).map(({ name, total }) => [name, total]), [["b", 5], ["c", 4], ["a", 1], ["d", 1]]);
    assert.deepEqual(model.ranked(labels, 3).at(-1), { name: "other", values: [1, 1], total: 2 });
  });

  it("takes the largest of copies, not their sum", () => {
    assert.deepEqual([[3, null, 5], [null], [], [0, null]].map(model.largest), [5, null, null, 0]);
  });

  it("continues the line of a node that was restarted, and keeps two that live at the same time apart", () => {
    const own = (node, name, events) => ({ node, name, events, connections: events });
    const perNode = [own("b", "node2", [null, null, 3]), own("z", "node10", [1, 1, 1]), own("a", "node2", [1, null, null]), own("c", "node2", [null, 7, 7])];
    assert.deepEqual(model.lines({ perNode }).map(({ nodes, name, events }) => [nodes, name, events]), [
      [["a", "b"], "node2", [1, null, 3]],
      [["c"], "node2", [null, 7, 7]],
      [["z"], "node10", [1, 1, 1]],
    ]);
    assert.deepEqual(model.lines(undefined), []);
  });

  it("knows which step is now: a node that has ended has no value there", () => {
    assert.deepEqual([[[1, 2, null], [5, null, null]], [[null]], []].map(model.newest), [1, -1, -1]);
  });

  it("finds the gaps of all reasons by time", () => {
    const found = model.gaps({ gaps: { capacity: [0, 1, 0], reconnected: [0, 2, 1] } });
    assert.deepEqual(found, [{ index: 1, reasons: { capacity: 1, reconnected: 2 } }, { index: 2, reasons: { reconnected: 1 } }]);
  });

  it("knows since when something is known", () => {
    assert.equal(model.begin(model.joined(undefined, history(1000, [null, 1, null, 2]))), 1000 - 3 * 5);
    assert.equal(model.begin(model.joined(undefined, history(1000, [null]))), undefined);
  });

  it("makes a row per minute that has a sample, newest first", () => {
    const values = Array.from({ length: STEPS }, (_, index) => (index < STEPS - 13 ? null : 2));
    const rows = model.minutes({ step: 5, end: 6000 }, [{ values }], model.mean);
    assert.deepEqual(rows, [{ time: 6000, values: [2] }, { time: 5940, values: [2] }]);
    assert.deepEqual(model.minutes({ step: 5, end: 6000 }, [{ values }], model.total).map((row) => row.values[0]), [24, 2]);
  });
});

describe("scales", () => {
  it("ends an axis at a round number that holds every value", () => {
    assert.deepEqual([0, 0.3, 1, 1.2, 7, 99, 100, 1106].map((value) => scale.niceTop(value)), [1, 1, 1, 1.5, 8, 100, 100, 1500]);
  });

  it("breaks a line where a value is missing, and shows a lone value", () => {
    const same = (value) => value;
    assert.equal(scale.linePath([1, 2, null, 3], same, same), "M0 1L1 2M3 3h0.1");
    assert.equal(scale.areaPath([], [1, null, 2, 4], same, same), "M0 1L0 0ZM2 2L3 4L3 0L2 0Z");
  });

  it("puts series on top of each other, and a bar is at least a pixel high", () => {
    const layers = scale.stacked([[1, null, 2], [3, 4, null]]);
    assert.deepEqual(layers.map(({ upper }) => upper), [[1, null, 2], [4, 4, null]]);
    const y = scale.linear(0, 10_000, 100, 0);
    assert.equal(scale.barPath([], [1, 0, null], (index) => index * 10, y, 4), "M-2 100V99h4V100Z");
  });

  it("marks full five minutes only", () => {
    const ticks = scale.timeTicks(1_000, 5, STEPS);
    assert.deepEqual(ticks.map(({ time }) => time), [300, 600, 900]);
    assert.equal(ticks[2].index, STEPS - 1 - 20);
  });
});

describe("how figures read", () => {
  it("writes counts, rates and times", () => {
    assert.deepEqual([null, 0, 1234567].map(format.count), ["–", "0", "1,234,567"]);
    assert.deepEqual([null, 0, 0.2, 9.84, 128.4, 1234.5].map(format.rate), ["–", "0", "0.2", "9.8", "128", "1,235"]);
    assert.deepEqual([0.5, 20, 1500, 2_000_000].map(format.short), ["0.5", "20", "1.5K", "2M"]);
    assert.deepEqual([340, 1_240, 2_500_000].map(format.micros), ["340 µs", "1.2 ms", "2.5 s"]);
    assert.deepEqual([40, 720, 7_260, 7_200, 266_400, 259_200].map((age) => format.since(0, age)), ["40 s", "12 min", "2 h 1 min", "2 h", "3 d 2 h", "3 d"]);
    assert.deepEqual([[], ["a"], ["a", "b", "c"]].map(format.listed), ["", "a", "a, b and c"]);
    assert.match(format.clock(0), /^\d\d:\d\d:00$/);
  });
});

describe("the admin API", () => {
  const servers = [];
  after(() => servers.forEach((server) => server.closeAllConnections() ?? server.close()));

  /** Serves `answer`, at which the paths of the page then end. */
  async function served(answer) {
    const server = createServer(answer).listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    const { fetch } = globalThis;
    mock.method(globalThis, "fetch", (path, options) => fetch(`http://127.0.0.1:${server.address().port}${path}`, options));
  }

  it("gives a node up that does not answer, or not to the end, and says so", async () => {
    for (const answer of [() => {}, (_, response) => void response.writeHead(200).write("{")]) {
      await served(answer);
      const { ok, message } = await new Api(50).get("user/7/rooms");
      assert.deepEqual([ok, message], [false, "The node did not answer within 0.05 s"]);
      mock.restoreAll();
    }
  });
});

describe("the live stream", () => {
  /** What the stream needs of a browser: a socket that does what the test says. */
  class Socket {
    static last;
    sent = [];

    constructor(url) {
      this.url = url;
      Socket.last = this;
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close(code) {
      this.closed = code ?? 1005;
    }
  }

  /** A stream that is live, under timers that the test moves. */
  function live() {
    globalThis.location = { protocol: "http:", host: "node" };
    globalThis.WebSocket = Socket;
    mock.timers.enable({ apis: ["setTimeout"] });
    const stream = new LiveStream();
    stream.refused = [];
    stream.addEventListener("refused", ({ detail }) => stream.refused.push(detail));
    stream.start("a token");
    Socket.last.onopen();
    Socket.last.onmessage({ data: '{"type": "stats"}' });
    return stream;
  }

  const { WebSocket } = globalThis;
  after(() => {
    globalThis.WebSocket = WebSocket;
    delete globalThis.location;
  });

  it("takes a connection on which nothing comes for 25 s for dead, and connects anew", () => {
    const stream = live();
    const first = Socket.last;
    mock.timers.tick(24_999);
    assert.equal(stream.state, "live");
    first.onmessage({ data: '{"type": "sample"}' });
    mock.timers.tick(24_999);
    assert.equal(stream.state, "live");
    mock.timers.tick(1);
    assert.deepEqual([stream.state, stream.ending, first.closed], ["waiting", "nothing came for 25 s", 1005]);
    stream.watch({ drops: true });
    mock.timers.tick(15_000);
    Socket.last.onopen();
    Socket.last.onmessage({ data: '{"type": "stats"}' });
    assert.deepEqual(Socket.last.sent, [{ authorization: "a token" }, { tail: { drops: true } }]);
    mock.timers.reset();
  });

  it("comes again after 1013, and not after a refusal", () => {
    const stream = live();
    Socket.last.onclose({ code: 1013, reason: "16 streams" });
    assert.deepEqual([stream.state, stream.ending], ["waiting", "closed 1013, 16 streams"]);
    stream.hurry();
    Socket.last.onopen();
    Socket.last.onclose({ code: 4401, reason: "" });
    assert.deepEqual([stream.state, stream.refused], ["closed", ["not authenticated"]]);
    mock.timers.reset();
  });
});
