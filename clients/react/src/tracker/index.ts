// "@channelgate/react/tracker": sessions that are attended.

export type * from "./events.js";
export type { Settings } from "../preset/shared.js";
export type { Socket } from "@channelgate/client/socketio";
export { configure, socketService, socketService as default, trackerClient, type SocketService } from "./service.js";
export { SessionAttendance, type Attendee, type SessionAttendanceProps } from "./session-attendance.js";
export { useMissed, WebSocketStatus } from "./status.js";
export { useSocket, type TrackerSocket } from "./use-socket.js";
