// How servers write events and read messages over a plain WebSocket: `{type, …}` or `{event, data}`.

import type { Dialect, Named } from "./types.js";

/** `{event, data}` is the event `event`; `{type, …}` the event `type` with the whole frame as data. Other frames have no name. */
function read(frame: unknown): Named {
  const { event, type = "", data } = Object(frame) as Record<string, unknown>;
  return typeof event === "string" ? { event, data } : { event: String(type), data: frame };
}

/** Rooms: `join` and `leave` with `{room}`. Topics: `subscribe` and `unsubscribe` with `{topic}`. */
function interest(kind: "room" | "topic", name: string, wanted: boolean): Named {
  const event = kind === "room" ? (wanted ? "join" : "leave") : wanted ? "subscribe" : "unsubscribe";
  return { event, data: { [kind]: name } };
}

/** Messages are `{type: event, …data}`, as consumers of Django Channels read them. The dialect of `webSocket()`. */
export const typed: Dialect = {
  read,
  write: (event, data) => ({ type: event, ...(typeof data === "object" && !Array.isArray(data) ? data : { data }) }),
  interest,
};

/** Messages are `{event, data}`. */
export const enveloped: Dialect = { read, write: (event, data) => ({ event, data }), interest };

/** As `typed`, and topics are lists: `{"type": "subscribe", "notification_types": ["reservation"]}`. They cannot be taken back. */
export const notifications: Dialect = {
  read,
  write: (event, data) => typed.write(event, data),
  interest: (kind, name, wanted) =>
    kind === "room" ? interest(kind, name, wanted) : wanted ? { event: "subscribe", data: { notification_types: [name] } } : null,
};
