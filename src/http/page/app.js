// The page put together: loads the node's description of itself, then connects cards, frames and the publish panel.

import { Card } from "./card.js";
import { FrameLog } from "./frames.js";
import { PublishPanel } from "./publish.js";
import { formatBytes, formatMillis, median, plural } from "./text.js";
import { OPERATOR, Views } from "./views.js";

/** How many colours tell consumers apart. */
const HUES = 6;
/** Latencies kept for the median. */
const LATENCIES = 500;

/** How long frames are awaited after the last publish of a trial, in ms. */
const STRAGGLERS = 2_000;

/** How often an event that reaches nobody is published. */
const ROUNDS = 3;

/** Under which name the key is kept for this tab. */
const KEY = "channelgate-key";

const byId = (id) => document.getElementById(id);
const log = new FrameLog();
const panel = new PublishPanel();
const cards = [];
/** The number of the last client that was added to a consumer. */
const added = new Map();
const totals = { in: 0, bytes: 0, published: 0, latencies: [] };
let countersDue = false;

async function start() {
  const response = await fetch("/page/consumers", { cache: "no-store" });
  if (!response.ok) throw new Error(`the node answered HTTP ${response.status}`);
  const node = await response.json();
  byId("version").textContent = `version ${node.version}`;
  byId("layer").textContent = node.layer === "embedded" ? "embedded layer" : "Redis";
  if (node.layer === "redis") {
    byId("next-step").textContent =
      "This node reads the Redis that REDIS_URL names, so call group_send in your Django and watch the frame arrive here.";
  }
  const authorization = () => panel.authorization;
  node.consumers.forEach((consumer, index) => addCard(consumer, { node, authorization, hue: index % HUES }));
  panel.start(cards, node.publish);
  const forget = () => {
    sessionStorage.removeItem(KEY);
    panel.key = "";
  };
  const views = new Views(node.printed ? { key: () => panel.key, forget } : undefined);
  const arrive = () => {
    takeKey(node.printed);
    views.show();
  };
  arrive();
  addEventListener("hashchange", arrive);
  if (cards.length === 0) fail("This node serves no consumer: its configuration has no [[consumer]].");
  byId("try").disabled = cards.length === 0;
  showCounters();
}

/**
 * The key in the address that the node printed, `/#key=…` or `#operate&key=…`: kept for this tab alone, and out of its history.
 * It wins over what an operator signed in with before: the node may have been restarted, and have made another key.
 */
function takeKey(hasPrinted) {
  const asked = new URLSearchParams(location.hash.slice(1));
  const found = asked.get("key");
  if (found) {
    sessionStorage.setItem(KEY, found);
    if (hasPrinted) sessionStorage.removeItem(OPERATOR);
    history.replaceState(null, "", location.pathname + location.search + (asked.has("operate") ? "#operate" : ""));
  }
  panel.key = found ?? sessionStorage.getItem(KEY) ?? panel.key;
}

/** Adds a client of a consumer: its first, or another one behind the last of them. */
function addCard(consumer, options) {
  const card = new Card(consumer, options);
  const siblings = cards.filter((other) => other.consumer === consumer);
  cards.push(card);
  log.addConsumer(card.name);
  if (siblings.length) siblings.at(-1).element.after(card.element);
  else byId("cards").append(card.element);
  card.element.addEventListener("add", () => {
    const number = (added.get(consumer) ?? 1) + 1;
    added.set(consumer, number);
    addCard(consumer, { ...options, number }).focus();
    showCounters();
  });
  card.element.addEventListener("remove", () => {
    card.connection.disconnect();
    cards.splice(cards.indexOf(card), 1);
    card.element.remove();
    cards.find((other) => other.consumer === consumer)?.focus();
    showCounters();
  });
  card.element.addEventListener("groups", () => panel.showGroups());
  card.connection.addEventListener("frame", ({ detail }) => onFrame(card, detail));
  let last = card.connection.state;
  card.connection.addEventListener("state", () => {
    const { state, ending, attempt } = card.connection;
    if (state === "open") note(card, "open");
    if (last === "open" && state !== "open") note(card, `${ending}${state === "waiting" ? ", reconnecting" : ""}`);
    const text = { open: "open", connecting: attempt ? "" : "connecting", closed: ending, waiting: attempt === 1 ? `${ending}, reconnecting` : "" }[state];
    if (text) byId("announce").textContent = `${card.name}: ${text}`;
    last = state;
    showCounters();
  });
  return card;
}

function onFrame(card, frame) {
  let hit;
  if (frame.direction === "in") {
    totals.in += 1;
    totals.bytes += frame.size;
    if (!frame.acknowledges) hit = panel.match(card, frame.data, frame.clock);
  }
  const latency = frame.latency ?? hit?.latency;
  log.add({ ...frame, consumer: card.name, hue: card.hue, latency, open: panel.isShown(hit?.pending) });
  showCounters();
}

function note(card, text) {
  log.add({ direction: "note", data: text, at: new Date(), consumer: card.name, hue: card.hue });
}

function showCounters() {
  if (countersDue) return;
  countersDue = true;
  requestAnimationFrame(() => {
    countersDue = false;
    byId("count-open").textContent = `${cards.filter((card) => card.connection.state === "open").length} of ${cards.length}`;
    byId("count-in").textContent = totals.in.toLocaleString("en");
    byId("count-bytes").textContent = formatBytes(totals.bytes);
    byId("count-published").textContent = totals.published.toLocaleString("en");
    const latency = median(totals.latencies);
    byId("count-latency").textContent = latency === undefined ? "–" : formatMillis(latency);
  });
}

/** Connects what can be connected, subscribes, joins rooms, publishes every sample, and says what came of it. */
async function tryEverything() {
  const button = byId("try");
  const say = (text) => (byId("try-status").textContent = text);
  button.disabled = true;
  try {
    say("Connecting…");
    const usable = cards.filter((card) => card.complete);
    for (const card of usable) card.connect();
    await Promise.all(usable.map((card) => settled(card)));
    const open = usable.filter((card) => card.connection.state === "open");
    for (const card of open) card.begin();
    // Neither a subscribe nor a join is answered, and the publish takes another way to the node, so they get a head start.
    await pause(250);
    if (!panel.possible) {
      say(`${plural(open.length, "client")} connected. Publishing needs the API key.`);
      return;
    }
    const all = panel.samples.map((sample) => ({ ...sample, results: [] }));
    const isSent = ({ results }) => results.some(({ ok }) => ok);
    const hasArrived = ({ results }) => results.some(({ pending }) => pending.reached.size > 0);
    let due = all;
    for (let round = 0; round < ROUNDS && due.length > 0; round += 1) {
      for (const one of due) {
        // A frame that overtakes the answer belongs to the oldest publish that is awaited.
        for (const { pending } of one.results) panel.forget(pending);
        say(`Publishing “${one.title}”…`);
        one.results.push(await panel.send(one.group, one.event));
        await pause(120);
      }
      // Frames take another way than the answers, and the last ones may come after all of these.
      const end = performance.now() + STRAGGLERS;
      while (!all.filter(isSent).every(hasArrived) && performance.now() < end) await pause(50);
      // A busy node may have carried out a subscribe or a join later than its event.
      due = all.filter((one) => isSent(one) && !hasArrived(one) && open.some(({ groups }) => groups.includes(one.group)));
    }
    const sent = all.filter(isSent);
    const arrived = sent.filter(hasArrived);
    const failed = all.length - sent.length;
    const skipped = cards.length - open.length;
    say(
      `${plural(sent.length, "event")} published, ${arrived.length} arrived.` +
        (failed ? ` ${plural(failed, "publish")} failed.` : "") +
        (skipped ? ` ${plural(skipped, "client")} not connected.` : " Now change one and publish it."),
    );
  } finally {
    button.disabled = false;
  }
}

/** How long connections are awaited, in ms: browsers make the handshakes with one address one after the other. */
const PATIENCE = 10_000;

/** Resolves when a card is neither closed on its way up nor still connecting, or after `PATIENCE`. */
function settled(card) {
  return new Promise((resolve) => {
    const done = () => {
      if (card.connection.state === "connecting") return;
      card.connection.removeEventListener("state", done);
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      card.connection.removeEventListener("state", done);
      resolve();
    }, PATIENCE);
    card.connection.addEventListener("state", done);
    done();
  });
}

const pause = (ms) => new Promise((resolve) => void setTimeout(resolve, ms));

function fail(text) {
  byId("failure").textContent = text;
  byId("failure").hidden = false;
}

panel.addEventListener("published", () => {
  totals.published += 1;
  showCounters();
});
panel.addEventListener("arrived", ({ detail }) => {
  totals.latencies.push(detail.latency);
  if (totals.latencies.length > LATENCIES) totals.latencies.shift();
});
byId("try").addEventListener("click", () => void tryEverything());
byId("connect-all").addEventListener("click", () => {
  for (const card of cards) if (card.complete) card.connect();
});
byId("disconnect-all").addEventListener("click", () => {
  for (const card of cards) card.connection.disconnect();
});

start().catch((error) => fail(`The page could not be filled: ${error.message}. Reload to try again.`));
