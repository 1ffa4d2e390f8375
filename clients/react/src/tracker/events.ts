// Generated from clients/schemas/tracker by clients/schemas/generate.mjs: do not edit.

/** Where the browser says it is. */
export interface Location {
  latitude: number;
  longitude: number;
  [key: string]: unknown;
}

/** The record as the backend has it. */
export interface AttendanceRecord {
  id: number;
  sessionId: number;
  userId: number;
  status: AttendanceStatus;
  checkInTime: string;
  location: Location | null;
  [key: string]: unknown;
}

/** How a user attended. */
export type AttendanceStatus = "present" | "late" | "absent";

/** The client's own attendance was recorded. */
export interface AttendanceMarked {
  success: true;
  attendance: AttendanceRecord;
  message: "Attendance marked successfully";
}

/** The answer to `getAttendanceStats`. */
export interface AttendanceStats {
  sessionId: number | string;
  stats: {
    status: AttendanceStatus;
    count: number;
  }[];
  timestamp: string;
}

/** Somebody's attendance was recorded, for everyone in the session's room. */
export interface AttendanceUpdate {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
  status: AttendanceStatus;
  checkInTime: string;
  sessionId: number | string;
}

/** A message of the client was refused, or failed. */
export interface TrackerError {
  message: "Failed to join session" | "Failed to mark attendance" | "Invalid or inactive session" | "Failed to get attendance stats" | "Unauthorized" | "Failed to update session";
}

/** Events may be missing: load anew what is shown. Only for clients that ask for it. */
export interface Gap {
  reason: "reconnected" | "capacity" | "expired" | "backlog" | "slow_client" | "held" | "values" | "calls";
  groups: string[] | null;
}

/** The node and the connection, once and before all other events. Only for clients that ask for it. */
export interface Hello {
  /** The node's name. */
  node: string;
  /** The socket's id. */
  id: string;
  v: 1;
}

/** Numbers of a session, sent by Django to its room. */
export interface SessionStatsUpdate {
  sessionId: number;
  totalAttendees: number;
  capacity: number;
  percentageFilled: string;
}

/** A session has changed, for everyone in its room: what `sessionUpdate` sent, and by whom and when. */
export interface SessionUpdated {
  sessionId: number | string;
  updatedBy: number | string;
  timestamp: string;
  [key: string]: unknown;
}

/** Somebody else joined the session's room. */
export interface UserJoined {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
  timestamp: string;
}

/** Somebody else left the session's room. */
export interface UserLeft {
  userId: number | string;
  timestamp: string;
}

/** Records the user's attendance. */
export interface MarkAttendance {
  sessionId: number | string;
  location?: Location | null;
}

/** Changes a session, for admins and moderators. */
export interface SessionUpdate {
  sessionId: number | string;
  [key: string]: unknown;
}

/** What a client of Tracker receives: the name of each event, and its data. */
export interface TrackerEvents {
  /** The client's own attendance was recorded. */
  attendanceMarked: AttendanceMarked;
  /** The answer to `getAttendanceStats`. */
  attendanceStats: AttendanceStats;
  /** Somebody's attendance was recorded, for everyone in the session's room. */
  attendanceUpdate: AttendanceUpdate;
  /** A message of the client was refused, or failed. */
  error: TrackerError;
  /** Events may be missing: load anew what is shown. Only for clients that ask for it. */
  gap: Gap;
  /** The node and the connection, once and before all other events. Only for clients that ask for it. */
  hello: Hello;
  /** The answer to `ping`. */
  pong: undefined;
  /** Numbers of a session, sent by Django to its room. */
  "session-stats-update": SessionStatsUpdate;
  /** A session has changed, for everyone in its room: what `sessionUpdate` sent, and by whom and when. */
  sessionUpdated: SessionUpdated;
  /** Somebody else joined the session's room. */
  userJoined: UserJoined;
  /** Somebody else left the session's room. */
  userLeft: UserLeft;
}

/** What a client of Tracker may send: the name of each message, and its data. */
export interface TrackerMessages {
  /** Asks for the numbers of a session. */
  getAttendanceStats: number | string;
  /** Joins a session's room. */
  joinSession: number | string;
  /** Leaves a session's room. */
  leaveSession: number | string;
  /** Records the user's attendance. */
  markAttendance: MarkAttendance;
  /** Asks for a `pong`. */
  ping: undefined;
  /** Changes a session, for admins and moderators. */
  sessionUpdate: SessionUpdate;
}
