// Generated from clients/schemas/parking by clients/schemas/generate.mjs: do not edit.

/** Events may be missing: load anew what is shown. Only for clients that ask for it. */
export interface Gap {
  type: "gap";
  reason: "reconnected" | "capacity" | "expired" | "backlog" | "slow_client" | "held" | "values" | "calls";
  groups: string[] | null;
}

/** The node and the connection, once and before all other events. Only for clients that ask for it. */
export interface Hello {
  type: "hello";
  /** The node's name. */
  node: string;
  /** The connection's id. */
  id: string;
  v: 1;
}

/** A notification of a type to which the client has subscribed. */
export interface Notification {
  type: "notification";
  /** For people. Empty if Django sent data only. */
  message: string;
  /** What Django sent with it; empty if it sent nothing. */
  data: Record<string, unknown>;
  /** The type of which it is. Only for clients that ask for it. */
  topic?: string;
}

/** Adds types of notifications. A name matches that type, and types that contain it as whole words. */
export interface Subscribe {
  notification_types: string[];
}

/** What a client of Parking receives: the name of each event, and its data. */
export interface ParkingEvents {
  /** Events may be missing: load anew what is shown. Only for clients that ask for it. */
  gap: Gap;
  /** The node and the connection, once and before all other events. Only for clients that ask for it. */
  hello: Hello;
  /** A notification of a type to which the client has subscribed. */
  notification: Notification;
}

/** What a client of Parking may send: the name of each message, and its data. */
export interface ParkingMessages {
  /** Adds types of notifications. A name matches that type, and types that contain it as whole words. */
  subscribe: Subscribe;
}
