// The two servers of the dashboard: Socket.IO with a room per employee, as documented, and the plain WebSocket that is deployed.

import { webSocket, type Connection, type Dialect, type Named, type Transport } from "@channelgate/client";

import type { Attendance } from "./events.js";

/** The room of all employees. */
export const ALL = "*";

const documented: Dialect = {
  read: (frame) => frame as Named,
  write: (event, data) => ({ event, data }),
  interest: (kind, employee, wanted) => {
    const does = wanted ? "join" : "leave";
    if (kind !== "room") return null;
    return employee === ALL ? { event: `${does}_general_attendance`, data: undefined } : { event: `${does}_attendance_room`, data: employee };
  },
};

/** Fields that are absent are null, as in the documented form; those that have another name there get it. */
function flat(sent: unknown): Attendance {
  const data = (sent ?? {}) as Record<string, unknown>;
  const { employee_name = data["user_name"] ?? null, timestamp = data["updated_at"] ?? null } = data;
  return { status: null, date: null, device: null, isLate: null, ...data, employee_name, timestamp } as Attendance;
}

/** One group, of which every client gets every update. */
export function deployed(): Dialect {
  const plain = webSocket().dialect;
  return {
    write: plain.write,
    interest: () => null,
    read: (frame) => {
      const { type, data } = (frame ?? {}) as { type?: unknown; data?: unknown };
      return type === "attendance_update" ? { event: type, data: flat(data) } : plain.read(frame);
    },
  };
}

/** Socket.IO, loaded with the first connection: an application with the plain WebSocket never loads it. */
export function laterSocketIo(): Transport {
  return {
    tokenIn: "auth",
    dialect: documented,
    open: (request, events) => {
      let connection: Connection | undefined;
      let isClosed = false;
      import("@channelgate/client/socketio")
        .then(({ socketIo }) => {
          if (!isClosed) connection = socketIo().open(request, events);
        })
        .catch((error: unknown) => {
          if (!isClosed) events.closed({ code: 0, text: String(error), verdict: "retry" });
        });
      return {
        send: (frame) => connection?.send(frame) ?? false,
        check: () => connection?.check?.(),
        request: (event, data) => connection?.request?.(event, data) ?? Promise.reject(new Error("not open")),
        close: (code) => {
          isClosed = true;
          connection?.close(code);
        },
      };
    },
  };
}
