// How servers write events and read messages over a plain WebSocket: `{type, …}` or `{event, data}`.

import type { Dialect, Named } from "./types.js";

/** `{event, data}` is the event `event`; `{type, …}` the event `type` with the whole frame as data. Other frames have no name. */
function read(frame: unknown): Named {
  if (typeof frame === "object" && frame !== null) {
    const { event, type, data } = frame as Record<string, unknown>;
    if (typeof event === "string") return { event, data };
    if (typeof type === "string") return { event: type, data: frame };
  }
  return { event: "", data: frame };
}

/** Rooms: `join` and `leave` with `{room}`. Topics: `subscribe` and `unsubscribe` with `{topic}`. */
function interest(kind: "room" | "topic", name: string, wanted: boolean): Named {
  if (kind === "room") return { event: wanted ? "join" : "leave", data: { room: name } };
  return { event: wanted ? "subscribe" : "unsubscribe", data: { topic: name } };
}

/** Messages are `{type: event, …data}`, as consumers of Django Channels read them. The dialect of `webSocket()`. */
export const typed: Dialect = {
  read,
  write: (event, data) => ({ type: event, ...(typeof data === "object" && !Array.isArray(data) ? data : { data }) }),
  interest,
};

/** Messages are `{event, data}`. */
export const enveloped: Dialect = { ...typed, write: (event, data) => ({ event, data }) };

/** As `typed`, and topics are lists: `{"type": "subscribe", "notification_types": ["reservation"]}`. They cannot be taken back. */
export const notifications: Dialect = {
  ...typed,
  interest: (kind, name, wanted) =>
    kind === "room" ? interest(kind, name, wanted) : wanted ? { event: "subscribe", data: { notification_types: [name] } } : null,
};
