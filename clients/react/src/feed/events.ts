// Generated from clients/schemas/feed by clients/schemas/generate.mjs: do not edit.

/** A visitor. */
export interface Client {
  id: number;
  first_seen: string;
  last_seen: string;
  visit_count: number;
  gender: "male" | "female" | "unknown";
  age: number;
  /** The image's address. */
  image: string;
  visit_histories: {
    datetime: string;
    /** The device's number, or its name. */
    device_id: number | string;
  }[];
}

/** The visitor that is gone. */
export interface ClientId {
  id: number;
}

/** One visit of a visitor. */
export interface Visit {
  datetime: string;
  /** The device's number, or its name. */
  device_id: number | string;
  /** The visitor's id. */
  client: number;
}

/** An employee. */
export interface Employee {
  id: number;
  first_name: string;
  last_name: string;
  email: string;
  phone_number: string;
  /** The image's address. */
  image: string;
  /** Only where the project has working schedules. */
  working_graphic?: number;
}

/** The employee who is gone. */
export interface EmployeeId {
  id: number;
}

/** An employee was seen by a device. */
export interface EmployeeAttendance {
  employee_id: number;
  /** The device's number, or its name. */
  device_id: number | string;
  /** The image's address. */
  image: string;
  datetime: string;
  /** How sure the device is. */
  score: number;
}

/** The attendance that is gone. */
export interface EmployeeAttendanceId {
  employee_id: number;
  datetime: string;
}

/** Events may be missing: load anew what is shown. Only for clients that ask for it. */
export interface Gap {
  reason: "reconnected" | "capacity" | "expired" | "backlog" | "slow_client" | "held" | "values" | "calls";
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

/** What a client of Feed receives: the name of each event, and its data. */
export interface FeedEvents {
  /** A visitor was seen for the first time. */
  client_create: Client;
  /** A visitor was deleted. */
  client_delete: ClientId;
  /** A visitor has changed. */
  client_update: Client;
  /** A visit was recorded. */
  client_visit_create: Visit;
  /** A visit was deleted. */
  client_visit_delete: Visit;
  /** A visit was corrected. */
  client_visit_update: Visit;
  /** An attendance was recorded. */
  employee_attendance: EmployeeAttendance;
  /** An attendance was deleted. */
  employee_attendance_delete: EmployeeAttendanceId;
  /** An employee was added. */
  employee_create: Employee;
  /** An employee was deleted. */
  employee_delete: EmployeeId;
  /** An employee has changed. */
  employee_update: Employee;
  /** Events may be missing: load anew what is shown. Only for clients that ask for it. */
  gap: Gap;
  /** The node and the connection, once and before all other events. Only for clients that ask for it. */
  hello: Hello;
}

/** What a client of Feed may send: the name of each message, and its data. */
export type FeedMessages = Record<never, never>;
