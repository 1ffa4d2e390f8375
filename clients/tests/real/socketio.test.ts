// The client over Socket.IO in Chromium: real nodes that are killed, drained, cut off, and refuse.

import { createClient, Disconnected, TimedOut, type Client, type Missed, type Options, type Snapshot, type TokenContext, type Transport } from "@channelgate/client";
import { rooms, socketIo } from "@channelgate/client/socketio";
import { expect, it, onTestFinished } from "vitest";

import { startChaos, startGate, startLayer, startRedis, until } from "./rig.js";

const CONFIG = `
presets = []
[[consumer]]
name = "shop"
path = "/socket.io/"
protocol = "socket.io"
groups = ["everybody"]
[consumer.hello]
when = "auth.cg in [1, '1']"
emit = { event = "hello", data = "{'node': node, 'id': id, 'v': 1}" }
[consumer.on_gap]
when = "auth.cg in [1, '1']"
emit = { event = "gap", data = "{'reason': gap.reason, 'groups': gap.groups}" }
[consumer.on_message.join]
join = "room_{{ args[0] }}"
reply = { event = "joined", data = "args[0]" }
[consumer.on_message.leave]
leave = "room_{{ args[0] }}"
reply = { event = "left", data = "args[0]" }
[consumer.on_message.say]
reply = { event = "said", data = "args[0]" }
[consumer.on_message.save]
ack = "{'saved': args[0]}"
[consumer.on_message.silent]
[consumer.on_event."*"]
emit = { event = "{{ event.type }}", data = "event.data" }
`;

interface Seen {
  client: Client<Record<string, unknown>>;
  /** Events but hello, with their data. */
  events: [string, unknown][];
  statuses: string[];
  missed: Missed[];
  codes: (number | undefined)[];
  attempts: number;
}

/** Connects, and keeps what the application sees until the test ends. */
function connect(url: string, options: Options = {}): Seen {
  const { transport = socketIo(), ...others } = options;
  const counting: Transport = {
    ...transport,
    open: (...all) => {
      seen.attempts += 1;
      return transport.open(...all);
    },
  };
  const client = createClient<Record<string, unknown>>({ url, transport: counting, backoff: { base: 300, cap: 300 }, ...others });
  const seen: Seen = { client, events: [], statuses: [], missed: [], codes: [], attempts: 0 };
  client.subscribe(() => {
    const { status, reason } = client.snapshot();
    if (seen.statuses.at(-1) !== status) seen.statuses.push(status);
    if (reason && seen.codes.at(-1) !== reason.code) seen.codes.push(reason.code);
  });
  client.on("*", (data, { event }) => event !== "hello" && seen.events.push([event, data]));
  client.onMissed((missed) => void seen.missed.push(missed));
  client.connect();
  onTestFinished(() => client.disconnect());
  return seen;
}

/** For a second, longer than any pause between attempts here, no attempt is made. */
async function quiet(seen: Seen): Promise<void> {
  const { attempts } = seen;
  const end = performance.now() + 1_000;
  await until("a second without an attempt", () => seen.attempts !== attempts || performance.now() > end);
  expect(seen.attempts).toBe(attempts);
}

/** Waits for a status. */
async function status({ client }: Pick<Seen, "client">, wanted: Snapshot["status"]): Promise<Snapshot> {
  await until(wanted, () => client.snapshot().status === wanted);
  return client.snapshot();
}

const open = ({ client }: Seen) => until("open", () => client.snapshot().status === "open" && client.snapshot().recovery === "live");

it("knows the node and the connection, from the server's hello and without it", async () => {
  const gate = await startGate({ config: CONFIG.replace(/\[consumer.hello\]\n.*\n.*\n/, "") });
  const [told, known] = [connect((await startGate({ config: CONFIG })).url), connect(gate.url)];
  for (const seen of [told, known]) {
    await open(seen);
    await until("a node", () => seen.client.snapshot().node);
    const { node, id } = seen.client.snapshot();
    expect(node).toMatch(/^[a-z0-9]+$/);
    expect(id).toMatch(/^[\w-]{16,}$/);
    expect(seen.statuses).toEqual(["connecting", "open"]);
    expect(seen.missed).toEqual([]);
  }
});

it("after kill -9 it is back in its rooms, in order, and then sends what waited, in order", async () => {
  const gate = await startGate({ config: CONFIG });
  const seen = connect(gate.url);
  const { client, events } = seen;
  for (const room of ["c", "a", "b"]) client.want("room", room);
  const leave = client.want("room", "left again");
  await open(seen);
  leave();
  await until("it has left", () => events.some(([event]) => event === "left"));
  await gate.kill();
  await status(seen, "reconnecting");
  events.length = 0;
  expect([1, 2, 3].map((n) => client.send("say", n))).toEqual(["queued", "queued", "queued"]);
  expect(client.send("say", "typing", { volatile: true })).toBe("dropped");
  await gate.start();
  await open(seen);
  expect(client.send("say", 4)).toBe("sent");
  await until("all answers", () => events.some(([, data]) => data === 4));
  expect(events).toEqual([["joined", "c"], ["joined", "a"], ["joined", "b"], ["said", 1], ["said", 2], ["said", 3], ["said", 4]]);
  await gate.publish("room_a", { type: "told", data: "a room" });
  await until("an event of the room", () => events.some(([event]) => event === "told"));
  expect(seen.missed).toMatchObject([{ reason: "reconnected", groups: null }]);
  expect(client.snapshot()).toMatchObject({ recovered: false, drops: 1, queued: 0 });
});

it("comes back after a drain, as after any restart", async () => {
  const gate = await startGate({ config: CONFIG });
  const seen = connect(gate.url);
  await open(seen);
  await gate.stop();
  await status(seen, "reconnecting");
  expect(seen.codes[0]).toBe(1012);
  await gate.start();
  await open(seen);
  expect(seen.missed).toMatchObject([{ reason: "reconnected" }]);
});

it("sees a restart of Redis as missed, once, and keeps its connection", async () => {
  const redis = await startRedis();
  const gate = await startGate({ config: CONFIG, redisUrl: redis.url });
  const layer = await startLayer(redis.url);
  const seen = connect(gate.url);
  await open(seen);
  await layer.send("everybody", { type: "told", data: 1 });
  await until("the event", () => seen.events.length === 1);
  await redis.stop();
  await redis.start();
  await until("live again", () => seen.missed.length > 0 && seen.client.snapshot().recovery === "live");
  await until("an event after the restart", async () => {
    await layer.send("everybody", { type: "told", data: 2 });
    return seen.events.some(([, data]) => data === 2);
  });
  expect(seen.missed).toMatchObject([{ reason: "gap" }]);
  expect(seen.statuses).toEqual(["connecting", "open"]);
});

it("waits five seconds and more while the node cannot decide", async () => {
  const redis = await startRedis();
  const gate = await startGate({ presets: ["dashboard"], redisUrl: redis.url, env: { CHANNELGATE__LIMITS__ADMISSION_TIMEOUT: "500ms" } });
  const first = connect(gate.url);
  await open(first);
  await redis.freeze();
  const { client } = connect(gate.url);
  await until("a pause", () => client.snapshot().retryAt);
  const { retryAt, since, reason } = client.snapshot();
  expect(reason?.text).toBe("Service unavailable");
  // By the clock of the refusal itself: a busy machine looks late.
  expect((retryAt ?? 0) - since).toBeGreaterThanOrEqual(5_000);
});

it("has failed in a namespace that there is not, and makes no further attempt", async () => {
  const gate = await startGate({ config: CONFIG });
  const seen = connect(`${gate.url}nothing-here`);
  const { reason, retryAt } = await status(seen, "failed");
  expect([reason?.text, retryAt]).toEqual(["Invalid namespace", null]);
  await quiet(seen);
  expect(seen.attempts).toBe(1);
});

/** A tracker, and tokens in turn; the last one again and again. */
async function tokens(...given: ("refused" | "expired" | "valid")[]) {
  const gate = await startGate({ presets: ["tracker"] });
  const claims = { kind: "jwt:tracker", claims: { name: "Ann", role: "user" } };
  const made = await Promise.all(given.map((which) => (which === "refused" ? "not a token" : gate.token(7, which === "valid" ? claims : { ...claims, lifetime: "1" }))));
  const asked: TokenContext["why"][] = [];
  const token = ({ why }: TokenContext) => made[Math.min(asked.push(why), made.length) - 1] ?? null;
  return { gate, asked, made, start: () => connect(gate.url, { token }) };
}

it("asks for one fresh token when it is refused, and then stops", async () => {
  const { gate, asked, start } = await tokens("refused");
  const seen = start();
  const { client } = seen;
  const { reason } = await status(seen, "unauthorized");
  expect(reason?.text).toBe("Authentication error");
  expect(asked).toEqual(["first", "expired"]);
  await quiet(seen);
  expect(seen.attempts).toBe(2);
  client.setToken(await gate.token(7, { kind: "jwt:tracker" }));
  await status(seen, "open");
});

it("replaces an expired token by a fresh one at once", async () => {
  const { asked, start } = await tokens("expired", "valid");
  await until("it has expired", () => new Promise((resolve) => void setTimeout(resolve, 1_100, true)));
  const seen = start();
  await open(seen);
  expect(asked).toEqual(["first", "expired"]);
  expect(seen.missed).toEqual([]);
});

it("ends with a token that is revoked, and comes back with another one", async () => {
  const { gate, asked, made, start } = await tokens("valid");
  const seen = start();
  await open(seen);
  await gate.disconnect({ token: made[0] });
  await status(seen, "unauthorized");
  expect(asked).toEqual(["first", "expired"]);
  seen.client.setToken(await gate.token(7, { kind: "jwt:tracker", claims: { login: 2 } }));
  await open(seen);
  expect(seen.missed).toMatchObject([{ reason: "reconnected" }]);
});

it("resolves a request with its acknowledgement, and rejects it in time and with the connection", async () => {
  const gate = await startGate({ config: CONFIG });
  const seen = connect(gate.url);
  const { client } = seen;
  await expect(client.request("save", 1)).rejects.toBeInstanceOf(Disconnected);
  await open(seen);
  await expect(client.request("save", { id: 7 })).resolves.toEqual({ saved: { id: 7 } });
  // By the page's own timers, in their order: a busy machine may stop all of them.
  let isLate = false;
  const late = setTimeout(() => (isLate = true), 2_000);
  await expect(client.request("silent", 1, { timeout: 200 })).rejects.toBeInstanceOf(TimedOut);
  expect(isLate).toBe(false);
  clearTimeout(late);
  const lost = expect(client.request("silent", 1)).rejects.toBeInstanceOf(Disconnected);
  await gate.kill();
  await lost;
});

it("hands over all of 5,000 events, each once and in order", async () => {
  const gate = await startGate({ config: CONFIG });
  const seen = connect(gate.url);
  await open(seen);
  for (let from = 0; from < 5_000; from += 500) {
    await gate.publish("everybody", ...Array.from({ length: 500 }, (_, n) => ({ type: "told", data: from + n })));
  }
  await until("all events", () => seen.events.length >= 5_000);
  expect(seen.events.map(([, data]) => data)).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
  expect(seen.missed).toEqual([]);
});

it("notices a link that carries nothing more by the server's heartbeat, and comes back over another one", async () => {
  // A link that is stopped for less than this, by a busy machine, is not a dead one.
  const gate = await startGate({ config: CONFIG, env: { CHANNELGATE__SOCKETIO__PING_INTERVAL: "500ms", CHANNELGATE__SOCKETIO__PING_TIMEOUT: "6s" } });
  const chaos = await startChaos(gate.port);
  const seen = connect(chaos.url);
  await open(seen);
  await chaos.halfOpen();
  await until("the loss is seen", () => seen.client.snapshot().drops === 1);
  await open(seen);
  expect(seen.missed).toMatchObject([{ reason: "reconnected" }]);
  await gate.publish("everybody", { type: "told", data: "again" });
  await until("an event", () => seen.events.length === 1);
});

it("is offline while the device has no network, and back at once when it has", async () => {
  const gate = await startGate({ config: CONFIG });
  const seen = connect(gate.url, { backoff: { base: 60_000, cap: 60_000, strategy: () => 60_000 } });
  await open(seen);
  window.dispatchEvent(new Event("offline"));
  const { online } = await status(seen, "offline");
  expect(online).toBe(false);
  window.dispatchEvent(new Event("online"));
  await open(seen);
  expect(seen.missed).toMatchObject([{ reason: "reconnected" }]);
});

it("does not trust its connection after sleep, if it has missed a heartbeat of the server", async () => {
  const gate = await startGate({ config: CONFIG });
  const seen = connect(gate.url);
  await open(seen);
  document.dispatchEvent(new Event("resume"));
  await expect(seen.client.request("save", 1)).resolves.toEqual({ saved: 1 });
  expect(seen.client.snapshot().drops).toBe(0);
  // The clock of a device that has slept for a minute: its timers have not run.
  const clock = Date.now;
  onTestFinished(() => void (Date.now = clock));
  Date.now = () => clock() + 60_000;
  document.dispatchEvent(new Event("resume"));
  await until("the loss is seen", () => seen.client.snapshot().drops === 1);
  await open(seen);
});

it("works by polling, where WebSockets do not pass, and for several clients beside each other", async () => {
  const gate = await startGate({ config: CONFIG });
  const options = { transport: socketIo({ transports: ["polling"] }), dialect: rooms("join", "leave", (room) => `the ${room}`) };
  const [one, other] = [connect(gate.url, options), connect(gate.url, options)];
  one.client.want("room", "first");
  await open(one);
  await open(other);
  await until("it has joined", () => one.events.some(([event, data]) => event === "joined" && data === "the first"));
  one.client.disconnect();
  await gate.publish("everybody", { type: "told", data: 1 });
  await until("the other is still there", () => other.events.length === 1);
  expect(one.events).toHaveLength(1);
  const requests = performance.getEntriesByType("resource").map(({ name }) => name);
  expect(requests.filter((name) => name.includes(`:${gate.port}/socket.io/`) && name.includes("transport=polling"))).not.toEqual([]);
});
