// Generated from clients/schemas/dashboard and clients/schemas/attendance by clients/schemas/generate.mjs: do not edit.

/** An employee's attendance. What Django leaves out is null: all but id and name after a deletion. */
export interface Attendance {
  employee_id: string;
  employee_name: string | null;
  /** `present`, `late` … */
  status: string | null;
  date: string | null;
  timestamp: string | null;
  device: string | null;
  isLate: boolean | null;
}

/** The same, of an employee or of none that is named. */
export interface GeneralAttendance {
  employee_id: string | null;
  employee_name: string | null;
  /** `present`, `late` … */
  status: string | null;
  date: string | null;
  timestamp: string | null;
  device: string | null;
  isLate: boolean | null;
}

/** An employee's id, alone or in an object. */
export type EmployeeRef = number | string | {
  employee_id: number | string;
};

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

/** What a client of Dashboard receives: the name of each event, and its data. */
export interface DashboardEvents {
  /** Attendance of an employee whose room the client has joined. */
  attendance_update: Attendance;
  /** Events may be missing: load anew what is shown. Only for clients that ask for it. */
  gap: Gap;
  /** Attendance of any employee, for clients in the general room. */
  general_attendance_update: GeneralAttendance;
  /** The node and the connection, once and before all other events. Only for clients that ask for it. */
  hello: Hello;
}

/** What a client of Dashboard may send: the name of each message, and its data. */
export interface DashboardMessages {
  /** Subscribes to one employee. */
  join_attendance_room: EmployeeRef;
  /** Subscribes to all employees. */
  join_general_attendance: undefined;
  /** Ends the subscription to one employee. */
  leave_attendance_room: EmployeeRef;
  /** Ends the subscription to all employees. */
  leave_general_attendance: undefined;
}

/** A record that was made or changed. */
export interface AttendanceSaved {
  /** The record's UUID. */
  id: string;
  user_name: string;
  employee_id: string;
  office: string;
  date: string;
  check_in_time: string | null;
  check_out_time: string | null;
  /** `present`, `late` … */
  status: string;
  device: string | null;
  created_at: string;
  updated_at: string;
  action: "created" | "updated";
}

/** A record that is gone. */
export interface AttendanceDeleted {
  /** The record's UUID. */
  id: string;
  user_name: string;
  employee_id: string;
  action: "deleted";
}

/** A record was made, changed or deleted. */
export interface DeployedAttendanceUpdate {
  type: "attendance_update";
  data: AttendanceSaved | AttendanceDeleted;
}

/** The first frame. */
export interface ConnectionEstablished {
  type: "connection_established";
  message: "Connected to attendance updates";
}

/** Events may be missing: load anew what is shown. Only for clients that ask for it. */
export interface DeployedGap {
  type: "gap";
  reason: "reconnected" | "capacity" | "expired" | "backlog" | "slow_client" | "held" | "values" | "calls";
  groups: string[] | null;
}

/** The node and the connection, once and before all other events. Only for clients that ask for it. */
export interface DeployedHello {
  type: "hello";
  /** The node's name. */
  node: string;
  /** The connection's id. */
  id: string;
  v: 1;
}

/** The answer to `ping`, with its timestamp. */
export interface DeployedPong {
  type: "pong";
  timestamp: number | null;
}

/** Asks for a `pong`. */
export interface DeployedPing {
  /** Milliseconds since 1970, or any other number. */
  timestamp?: number;
}

/** What a client of Dashboard (deployed) receives: the name of each event, and its data. */
export interface AttendanceEvents {
  /** A record was made, changed or deleted. */
  attendance_update: DeployedAttendanceUpdate;
  /** The first frame. */
  connection_established: ConnectionEstablished;
  /** Events may be missing: load anew what is shown. Only for clients that ask for it. */
  gap: DeployedGap;
  /** The node and the connection, once and before all other events. Only for clients that ask for it. */
  hello: DeployedHello;
  /** The answer to `ping`, with its timestamp. */
  pong: DeployedPong;
}

/** What a client of Dashboard (deployed) may send: the name of each message, and its data. */
export interface AttendanceMessages {
  /** Asks for a `pong`. */
  ping: DeployedPing;
}
