// Generated from clients/schemas/repair-shop by clients/schemas/generate.mjs: do not edit.

/** A work order as Django sends it, with further fields of the project. */
export interface WorkOrder {
  id: number;
  /** `pending`, `in_progress`, `completed` … */
  status: string;
  customer_name?: string;
  device?: string;
  description?: string;
  technician_id?: number | null;
  technician_name?: string | null;
  updated_at?: string;
  [key: string]: unknown;
}

/** A repair ticket as Django sends it, with further fields of the project. */
export interface Ticket {
  id: number;
  title: string;
  /** `open`, `closed` … */
  status: string;
  updated_at?: string;
  [key: string]: unknown;
}

/** A notification as Django sends it, with further fields of the project. */
export interface Notification {
  id: number;
  title: string;
  message: string;
  read: boolean;
  created_at?: string;
  [key: string]: unknown;
}

/** A new status. */
export interface StatusChange {
  oldStatus: string;
  newStatus: string;
  updatedBy: number;
}

/** Another technician, or none. */
export interface Assignment {
  technicianId: number | null;
  assignedBy: number;
}

/** Other fields. */
export interface FieldChange {
  updatedFields: string[];
  updatedBy: number;
}

/** `work_order_<number>` or `ticket_<number>`. */
export type Room = string;

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

/** The number of unread notifications of this user has changed; the page asks for it. */
export interface NotificationCountUpdated {
  userId: number;
  timestamp: string;
}

/** A new notification of this user. */
export interface NotificationReceived {
  notification: Notification;
  timestamp: string;
}

/** The same as `repair_ticket_updated`, by the name that the deployed server has for it. */
export type RepairTicketUpdate = {
  ticketId: number;
  action: "status_changed";
  ticket: Ticket;
  data: StatusChange;
  timestamp: string;
} | {
  ticketId: number;
  action: "updated";
  ticket: Ticket;
  data: FieldChange;
  timestamp: string;
};

/** A repair ticket has changed, for everyone in its room. */
export type RepairTicketUpdated = {
  ticketId: number;
  action: "status_changed";
  ticket: Ticket;
  data: StatusChange;
  timestamp: string;
} | {
  ticketId: number;
  action: "updated";
  ticket: Ticket;
  data: FieldChange;
  timestamp: string;
};

/** Somebody came or went, for admins and managers. */
export interface UserActivityUpdate {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
  userRole: string | null;
  status: "online" | "offline";
  timestamp: string;
}

/** Somebody of the same role closed the last connection. */
export interface UserOffline {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
  timestamp: string;
}

/** Somebody of the same role opened the first connection. */
export interface UserOnline {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
  timestamp: string;
}

/** Somebody else in the work order's room says what they do. */
export interface UserPresenceUpdate {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
  status: string | null;
  workOrderId: number | string;
  timestamp: string;
}

/** Somebody else in the room began to type. */
export interface UserTypingStart {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
  /** What the other client sent; null if nothing. */
  message: string | null;
}

/** Somebody else in the room stopped typing. */
export interface UserTypingStop {
  userId: number | string;
  /** Null if the token and the backend have no name. */
  userName: string | null;
}

/** A work order of this technician has changed, wherever the technician looks. */
export interface WorkOrderAssignmentUpdate {
  workOrderId: number;
  action: "status_changed" | "assigned" | "updated";
  workOrder: WorkOrder;
  timestamp: string;
}

/** A work order has changed, for everyone in its room. */
export type WorkOrderUpdated = {
  workOrderId: number;
  action: "status_changed";
  workOrder: WorkOrder;
  data: StatusChange;
  timestamp: string;
} | {
  workOrderId: number;
  action: "assigned";
  workOrder: WorkOrder;
  data: Assignment;
  timestamp: string;
} | {
  workOrderId: number;
  action: "updated";
  workOrder: WorkOrder;
  data: FieldChange;
  timestamp: string;
};

/** The user types. */
export interface TypingStart {
  roomName: Room;
  message?: string;
}

/** The user types no longer. */
export interface TypingStop {
  roomName: Room;
}

/** What the user does with a work order. */
export interface UserPresence {
  status?: string;
  workOrderId: number | string;
}

/** What a client of Repair shop receives: the name of each event, and its data. */
export interface RepairShopEvents {
  /** Events may be missing: load anew what is shown. Only for clients that ask for it. */
  gap: Gap;
  /** The node and the connection, once and before all other events. Only for clients that ask for it. */
  hello: Hello;
  /** The number of unread notifications of this user has changed; the page asks for it. */
  notification_count_updated: NotificationCountUpdated;
  /** A new notification of this user. */
  notification_received: NotificationReceived;
  /** The same as `repair_ticket_updated`, by the name that the deployed server has for it. */
  repair_ticket_update: RepairTicketUpdate;
  /** A repair ticket has changed, for everyone in its room. */
  repair_ticket_updated: RepairTicketUpdated;
  /** Somebody came or went, for admins and managers. */
  user_activity_update: UserActivityUpdate;
  /** Somebody of the same role closed the last connection. */
  user_offline: UserOffline;
  /** Somebody of the same role opened the first connection. */
  user_online: UserOnline;
  /** Somebody else in the work order's room says what they do. */
  user_presence_update: UserPresenceUpdate;
  /** Somebody else in the room began to type. */
  user_typing_start: UserTypingStart;
  /** Somebody else in the room stopped typing. */
  user_typing_stop: UserTypingStop;
  /** A work order of this technician has changed, wherever the technician looks. */
  work_order_assignment_update: WorkOrderAssignmentUpdate;
  /** A work order has changed, for everyone in its room. */
  work_order_updated: WorkOrderUpdated;
}

/** What a client of Repair shop may send: the name of each message, and its data. */
export interface RepairShopMessages {
  /** Accepted, and not answered. */
  heartbeat: undefined;
  /** Joins the room of a work order or ticket. */
  join_room: Room;
  /** Leaves the room of a work order or ticket. */
  leave_room: Room;
  /** The user types. */
  typing_start: TypingStart;
  /** The user types no longer. */
  typing_stop: TypingStop;
  /** What the user does with a work order. */
  user_presence: UserPresence;
}
