// How servers write events and read messages over a plain WebSocket: `{type, …}` or `{event, data}`.

import type { Dialect, Named } from "./types.js";

/** `{event, data}` is the event `event`; `{type, …}` the event `type` with the whole frame as data. Other frames have no name. */
function read(frame: unknown): Named {
  const { event, type, data } = Object(frame) as Record<string, unknown>;
  return typeof event === "string" ? { event, data } : { event: typeof type === "string" ? type : "", data: frame };
}

/** Rooms: `join` and `leave` with `{room}`. Topics: `subscribe` and `unsubscribe` with `{topic}`. */
function interest(kind: "room" | "topic", name: string, wanted: boolean): Named {
  const event = kind === "room" ? (wanted ? "join" : "leave") : wanted ? "subscribe" : "unsubscribe";
  return { event, data: { [kind]: name } };
}

/** Messages are `{type: event, …data}`, as consumers of Django Channels read them. The dialect of `webSocket()`. */
export const typed: Dialect = {
  read,
  // The name of the message counts, whatever the data has under this key; it is also the first one.
  write: (event, data) => Object.assign({ type: event }, typeof data === "object" && !Array.isArray(data) ? data : { data }, { type: event }),
  interest,
};

/** Messages are `{event, data}`. */
export const enveloped: Dialect = { read, write: (event, data) => ({ event, data }), interest };

/** Whether who asks for the topic `name` gets what is published under `topic`: it contains the name as whole words between underscores. */
export const isOfTopic = (topic: string, name: string): boolean => `_${topic}_`.includes(`_${name}_`);

/**
 * As `typed`, and topics are lists: `{"type": "subscribe", "notification_types": ["reservation"]}`. They cannot be taken back, but
 * events say of which topic they are: those that come only because of topics that nobody wants any more are not read. Each client
 * has its own dialect, which remembers what it has asked for.
 */
export function notifications(): Dialect {
  /** The topics of this connection, and whether they are still wanted. */
  const asked = new Map<string, boolean>();
  return {
    read(frame) {
      const { topic } = Object(frame) as { topic?: unknown };
      const reasons = typeof topic === "string" ? [...asked].filter(([name]) => isOfTopic(topic, name)) : [];
      return reasons.length && !reasons.some(([, isWanted]) => isWanted) ? null : read(frame);
    },
    write: (event, data) => typed.write(event, data),
    interest(kind, name, wanted) {
      if (kind === "room") return interest(kind, name, wanted);
      // Asked for again, it is another connection: that has nothing of what was taken back.
      if (wanted && asked.get(name)) asked.clear();
      asked.set(name, wanted);
      return wanted ? { event: "subscribe", data: { notification_types: [name] } } : null;
    },
  };
}
