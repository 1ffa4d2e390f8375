// The tracker's socket, without React: one connection for the page.

import type { Client } from "@channelgate/client";
import { rooms, socketIo, socketOf, type Socket } from "@channelgate/client/socketio";

import { FIVE } from "../preset/rules.js";
import { shared, type Settings } from "../preset/shared.js";
import type { Location, TrackerEvents } from "./events.js";

type Id = string | number;
type Handler<K> = (data: K extends keyof TrackerEvents ? TrackerEvents[K] : unknown) => void;

const page = shared<TrackerEvents>("/", null, () => ({ transport: socketIo(), dialect: rooms("joinSession", "leaveSession"), backoff: FIVE }));
const facade = socketOf(page.client);
/** What ends each `connect` and each `joinSession`, oldest first. */
const connects: (() => void)[] = [];
const joined = new Map<string, (() => void)[]>();

/** Where the server is, and the user's token: text, a function, or null without a login. */
export const configure = (settings: Settings): void => page.configure(settings);

export const trackerClient: () => Client<TrackerEvents> = page.client;

export interface SocketService {
  /** Counts: the connection ends with the last `disconnect`, not with the first. */
  connect(token?: string): Socket;
  disconnect(): void;
  /** Counts, too, and holds through reconnects. */
  joinSession(sessionId: Id): void;
  leaveSession(sessionId: Id): void;
  /** Without a connection it waits, for up to 30 seconds; the backend counts a repeated mark once. */
  markAttendance(sessionId: Id, location?: Location | null): void;
  getAttendanceStats(sessionId: Id): void;
  sessionUpdate(data: { sessionId: Id; [key: string]: unknown }): void;
  /** Also before `connect`. Returns what `off` does. */
  on<K extends string>(event: K, callback: Handler<K>): () => void;
  off<K extends string>(event: K, callback?: Handler<K>): void;
  readonly socket: Socket;
}

export const socketService: SocketService = {
  connect: (token) => {
    if (token !== undefined) configure({ token });
    connects.push(page.client().acquire());
    return facade;
  },
  disconnect: () => connects.shift()?.(),
  joinSession: (id) => {
    const room = String(id);
    joined.set(room, [...(joined.get(room) ?? []), page.client().want("room", room)]);
  },
  leaveSession: (id) => joined.get(String(id))?.shift()?.(),
  markAttendance: (sessionId, location = null) => facade.emit("markAttendance", { sessionId, location }),
  getAttendanceStats: (sessionId) => facade.emit("getAttendanceStats", sessionId),
  sessionUpdate: (data) => facade.emit("sessionUpdate", data),
  on: (event, callback) => facade.on(event, callback),
  off: (event, callback) => facade.off(event, callback),
  socket: facade,
};
