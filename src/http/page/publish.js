// The publish panel: a sample to start from, checked as it is edited, sent to the publish API like any other client's event.

import { djangoSnippet, eventError, formatMillis, groupError, likeness, plural } from "./text.js";

/** A publish waits this long for its frames, in ms; later ones are not its own. */
const AWAITED = 10_000;
/** After this long without a frame the page says why that may be. */
const PATIENCE = 1_500;

/**
 * Events: `published`, and `arrived` with `detail: { latency }`.
 */
export class PublishPanel extends EventTarget {
  /** Whether `POST /api/publish` needs a `key` or is `off`. */
  #access = "off";
  #cards = [];
  #samples = [];
  /** Publishes whose frames may still come, oldest first: `{ event, group, start, reached, quiet }`. */
  #pending = [];
  #parts = Object.fromEntries(
    ["publish", "sample", "group", "groups", "group-error", "event", "event-error", "key", "key-field", "send", "format",
      "answer", "django", "copy"].map((id) => [id, document.getElementById(id)]),
  );

  constructor() {
    super();
    const parts = this.#parts;
    parts.publish.addEventListener("submit", (submit) => {
      submit.preventDefault();
      if (!parts.send.disabled) void this.#submit();
    });
    parts.publish.addEventListener("keydown", (key) => {
      if (key.key !== "Enter" || !(key.ctrlKey || key.metaKey)) return;
      key.preventDefault();
      parts.publish.requestSubmit();
    });
    parts.sample.addEventListener("change", () => this.#choose());
    parts.group.addEventListener("input", () => this.#check());
    parts.event.addEventListener("input", () => this.#check());
    parts.format.addEventListener("click", () => {
      parts.event.value = JSON.stringify(JSON.parse(parts.event.value), null, 2);
      this.#check();
    });
    parts.copy.addEventListener("click", () => void this.#copy());
  }

  start(cards, access) {
    this.#cards = cards;
    this.#access = access;
    const parts = this.#parts;
    parts["key-field"].hidden = access !== "key";
    if (access === "off") {
      this.#answer("hint", "Publishing over HTTP is off on this node: set CHANNELGATE_API_KEY to turn it on.");
    }
    for (const { consumer } of cards) {
      const entries = Object.entries(consumer.samples);
      if (entries.length === 0) continue;
      const options = Object.assign(document.createElement("optgroup"), { label: consumer.name });
      for (const [title, sample] of entries) {
        options.append(new Option(title, String(this.#samples.length)));
        this.#samples.push({ ...sample, title, consumer });
      }
      parts.sample.append(options);
    }
    parts.sample.append(new Option("An event of your own", "own"));
    this.#choose();
    this.showGroups();
  }

  get samples() {
    return this.#samples;
  }

  get possible() {
    return this.#access === "key" && this.key !== "";
  }

  get key() {
    return this.#parts.key.value;
  }

  set key(key) {
    this.#parts.key.value = key;
  }

  /** The header that shows the key. */
  get authorization() {
    return this.key === "" ? {} : { Authorization: `Bearer ${this.key}` };
  }

  /** Offers the groups that the cards join. */
  showGroups() {
    const names = new Set(this.#cards.flatMap((card) => card.groups));
    this.#parts.groups.replaceChildren(...[...names].map((name) => new Option(name, name)));
  }

  /**
   * Publishes one event. Resolves with `{ ok, status, body, millis }`; a node that cannot be reached is `status: 0`.
   * Its frames are awaited from before the request leaves, since they may overtake the answer.
   */
  async send(group, event) {
    const pending = { group, event, start: performance.now(), reached: new Map() };
    this.#pending.push(pending);
    const headers = { "Content-Type": "application/json", ...this.authorization };
    let result;
    try {
      const response = await fetch("/api/publish", { method: "POST", headers, body: JSON.stringify({ group, event }) });
      const text = await response.text();
      result = { ok: response.ok, status: response.status, body: text };
    } catch {
      result = { ok: false, status: 0, body: "The node cannot be reached." };
    }
    if (result.ok) this.dispatchEvent(new Event("published"));
    else this.#pending = this.#pending.filter((other) => other !== pending);
    return { ...result, pending, millis: performance.now() - pending.start };
  }

  /**
   * The publish that a received frame comes from: `{ latency, pending }`, or nothing. Consumers reshape events, so
   * the likeness of what they contain decides, and among equals the oldest that this card has not had.
   */
  match(card, data, clock) {
    this.#pending = this.#pending.filter(({ start }) => clock - start < AWAITED);
    if (this.#pending.length === 0 || typeof data !== "string") return undefined;
    let frame = data;
    try {
      frame = JSON.parse(data);
    } catch {
      // A text frame is one leaf.
    }
    let best;
    let highest = 0.6;
    for (const pending of this.#pending) {
      if (pending.reached.has(card)) continue;
      const score = likeness(pending.event, frame);
      if (score > highest) [best, highest] = [pending, score];
    }
    if (!best) return undefined;
    const latency = clock - best.start;
    best.reached.set(card, latency);
    this.dispatchEvent(new CustomEvent("arrived", { detail: { latency } }));
    if (best === this.#shown) this.#showArrivals();
    return { latency, pending: best };
  }

  /** Awaits nothing of a publish any more. */
  forget(pending) {
    this.#pending = this.#pending.filter((other) => other !== pending);
  }

  /** Whether `pending` is the last one that was published by hand. */
  isShown(pending) {
    return pending !== undefined && pending === this.#shown;
  }

  #shown;
  #arrivals;
  #patience;

  #choose() {
    const sample = this.#samples[Number(this.#parts.sample.value)];
    if (sample) {
      this.#parts.group.value = sample.group;
      this.#parts.event.value = JSON.stringify(sample.event, null, 2);
    } else {
      this.#parts.event.value = JSON.stringify({ type: "my.event", message: "hello" }, null, 2);
    }
    this.#check();
  }

  #check() {
    const { group, event, send, format } = this.#parts;
    const wrongGroup = groupError(group.value);
    const wrongEvent = eventError(event.value);
    show(group, this.#parts["group-error"], wrongGroup);
    show(event, this.#parts["event-error"], wrongEvent);
    send.disabled = Boolean(wrongGroup || wrongEvent) || this.#access === "off";
    format.disabled = Boolean(wrongEvent);
    if (!wrongGroup && !wrongEvent) this.#parts.django.textContent = djangoSnippet(group.value, JSON.parse(event.value));
  }

  async #submit() {
    const { group, event, send } = this.#parts;
    const name = group.value;
    clearTimeout(this.#patience);
    send.disabled = true;
    this.#arrivals = Object.assign(document.createElement("ul"), { className: "arrivals" });
    const sending = this.send(name, JSON.parse(event.value));
    this.#shown = this.#pending.at(-1);
    const { ok, status, body, millis, pending } = await sending;
    send.disabled = false;
    this.#check();
    this.#answer(ok ? "good" : "error", `${status || "No answer"} ${body} in ${formatMillis(millis)}`);
    if (!ok) {
      if (status === 401 || status === 403) this.#parts["key-field"].hidden = false;
      return;
    }
    this.#parts.answer.append(this.#arrivals);
    this.#showArrivals();
    this.#patience = setTimeout(() => {
      if (pending.reached.size === 0) this.#arrivals.replaceChildren(item(this.#whyNothing(name)));
    }, PATIENCE);
  }

  #showArrivals() {
    const reached = [...this.#shown.reached];
    this.#arrivals.replaceChildren(...reached.map(([card, latency]) => item(`${card.name}: frame after ${formatMillis(latency)}`, `hue-${card.hue}`)));
  }

  #whyNothing(group) {
    const joined = this.#cards.filter((card) => card.groups.includes(group));
    const open = joined.filter((card) => card.connection.state === "open");
    if (joined.length === 0) return `No frame on this page: none of its consumers joins “${group}” with the fields as they are.`;
    if (open.length === 0) return `No frame on this page: connect ${joined.map((card) => `“${card.name}”`).join(" or ")} first.`;
    const silent = open.find((card) => card.silence);
    if (silent) return `No frame: “${silent.name}” ${silent.silence}.`;
    return `No frame within ${formatMillis(PATIENCE)}, though ${plural(open.length, "socket")} joined the group: does the consumer handle this type?`;
  }

  #answer(className, text) {
    const line = Object.assign(document.createElement("p"), { className, textContent: text });
    this.#parts.answer.replaceChildren(line);
  }

  async #copy() {
    const { copy, django } = this.#parts;
    try {
      await navigator.clipboard.writeText(django.textContent);
      copy.textContent = "Copied";
    } catch {
      // No clipboard without TLS on a foreign host: select it, so that a key press copies.
      getSelection().selectAllChildren(django);
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  }
}

function show(input, line, problem) {
  input.setAttribute("aria-invalid", String(problem !== ""));
  line.hidden = problem === "";
  line.textContent = problem;
}

function item(text, className = "") {
  return Object.assign(document.createElement("li"), { textContent: text, className });
}
