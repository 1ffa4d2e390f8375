// Pure helpers: what close codes mean, how long to wait, how things read. Nothing here touches the page or a socket.

const CLOSE_CODES = {
  1000: "normal end",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no code given",
  1006: "connection lost",
  1007: "invalid UTF-8",
  1008: "policy violation",
  1009: "message too big",
  1010: "extension missing",
  1011: "server error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad gateway",
  1015: "TLS failure",
  4400: "bad request",
  4401: "not authenticated",
  4403: "not allowed",
  4404: "not found",
};

const RECONNECT = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014]);

export function closeMeaning(code) {
  if (CLOSE_CODES[code]) return CLOSE_CODES[code];
  if (code >= 4000) return "the application's own code";
  if (code >= 3000) return "a library's code";
  return "unknown code";
}

/** Whether a new connection can be expected to fare better: not after a refusal or a fault of this client. */
export const mayReconnect = (code) => RECONNECT.has(code);

/** Milliseconds before try number `attempt` (from 1): doubling to 15 s, and half of it random, so that clients spread. */
export function backoff(attempt, random = Math.random) {
  const full = Math.min(15_000, 500 * 2 ** (attempt - 1));
  return full / 2 + (random() * full) / 2;
}

export function formatBytes(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const [size, unit] = bytes < 1024 ** 2 ? [bytes / 1024, "KiB"] : [bytes / 1024 ** 2, "MiB"];
  return `${size.toFixed(size < 10 ? 1 : 0)} ${unit}`;
}

export const formatMillis = (ms) => (ms < 100 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`);

export function formatTime(date) {
  const two = (n) => String(n).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

export const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

export function median(numbers) {
  if (numbers.length === 0) return undefined;
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function parseJson(text) {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: error.message };
  }
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** What is wrong with a group's name by Channels' rule, or an empty text. */
export function groupError(name) {
  if (name === "") return "A group is needed.";
  if (name.length >= 100) return `A group name is shorter than 100 characters, this one has ${name.length}.`;
  const bad = /[^A-Za-z0-9_.-]/u.exec(name);
  return bad ? `A group name holds only ASCII letters, digits, “-”, “_” and “.”, not “${bad[0]}”.` : "";
}

/** What is wrong with the text of an event, or an empty text. */
export function eventError(text) {
  const { value, error } = parseJson(text);
  if (error) return error;
  return isObject(value) ? "" : "An event is an object, like the dict that group_send takes.";
}

/** `<int:id>` and `<id>` in a Django path: `[{ name, kind, text }]`. */
export function pathParameters(path) {
  return [...path.matchAll(/<(?:(\w+):)?(\w+)>/g)].map(([text, kind, name]) => ({ name, kind: kind ?? "str", text }));
}

/** A group template with `{{ user.id }}`, `{{ route.x }}` filled in; `undefined` where something is missing. */
export function fillTemplate(template, values) {
  let complete = true;
  const filled = template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, name) => {
    if (values[name]) return values[name];
    complete = false;
    return "";
  });
  return complete && !/[{}]/.test(filled) ? filled : undefined;
}

/** The value that `name` has in `text` if `text` comes from `template`: 7 for user.id in `user_{{ user.id }}`, `user_7`. */
export function valueInTemplate(template, name, text) {
  const [before, after, ...rest] = template.split(new RegExp(`\\{\\{\\s*${name.replace(".", "\\.")}\\s*\\}\\}`));
  if (after === undefined || rest.length || !text.startsWith(before) || !text.endsWith(after)) return undefined;
  return text.slice(before.length, text.length - after.length) || undefined;
}

/** Numbers, texts and booleans inside a value, at most `limit`, keys not counted. */
export function leaves(value, limit = 200, found = []) {
  if (found.length >= limit) return found;
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) leaves(item, limit, found);
  } else if (value !== null) {
    found.push(String(value));
  }
  return found;
}

/** A room's name, from a template with at most one placeholder: `session:7` from `session:{{ args[0] }}` and 7. */
export const roomName = (template, argument) => template.replace(/\{\{.*\}\}/, () => String(argument));

/** The group of Django's channel layer that a room is, where its argument needs no escapes. */
export const roomGroup = (template, argument) =>
  template.replace(/\{\{.*\}\}|[^A-Za-z0-9_.-]/g, (found) => (found.startsWith("{{") ? String(argument) : "."));

/** Bytes for people, at most 256 of them. */
export function hexadecimal(buffer) {
  const bytes = new Uint8Array(buffer, 0, Math.min(256, buffer.byteLength));
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `binary ${text}${buffer.byteLength > 256 ? " …" : ""}`;
}

/** How much of `event` is to be seen in `frame`, 0 to 1. The type is left out: consumers often rename it. */
export function likeness(event, frame) {
  const rest = { ...event };
  delete rest.type;
  const wanted = leaves(rest);
  if (wanted.length === 0) return event.type !== undefined && leaves(frame).includes(String(event.type)) ? 1 : 0.5;
  const there = new Set(leaves(frame, 2000));
  return wanted.filter((leaf) => there.has(leaf)).length / wanted.length;
}

/** A value as Python writes it. */
export function python(value, indent = "") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const items = Array.isArray(value)
    ? value.map((item) => inner + python(item, inner))
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${python(item, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return items.length ? `${open}\n${items.join(",\n")},\n${indent}${close}` : open + close;
}

/** `group_send` with this event, ready to paste into a signal handler. */
export function djangoSnippet(group, event) {
  return [
    "from asgiref.sync import async_to_sync",
    "from channels.layers import get_channel_layer",
    "",
    "channel_layer = get_channel_layer()",
    `async_to_sync(channel_layer.group_send)(\n    ${JSON.stringify(group)},\n    ${python(event, "    ")},\n)`,
  ].join("\n");
}
