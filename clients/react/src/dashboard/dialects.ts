// The two servers of the dashboard: Socket.IO with a room per employee, as documented, and the plain WebSocket that is deployed.

import { typed, type Dialect, type Named, type Options, type Transport } from "@channelgate/client";

/** The event of all employees. */
export const GENERAL = "general_attendance_update";

/** All employees. Their room has no name; the server does not look at what comes with its messages. */
export const ALL = "*";

let socketIo: Transport | undefined;

/** Socket.IO, loaded for the first connection: an application with the plain WebSocket never loads it. */
export const documented = (url: string | URL): Pick<Options, "url" | "transport" | "dialect"> => ({
  url: async () => {
    socketIo ??= (await import("@channelgate/client/socketio")).socketIo();
    return url;
  },
  // The address is known before anything is opened.
  transport: { tokenIn: "auth", dialect: typed, open: (request, events) => socketIo!.open(request, events) },
  dialect: {
    read: (frame) => frame as Named,
    write: (event, data) => ({ event, data }),
    interest: (_, employee, wanted) => ({ event: `${wanted ? "join" : "leave"}_${employee === ALL ? "general_attendance" : "attendance_room"}`, data: employee }),
  },
});

/** One group, of which every client gets every update. Some fields have other names there, and those that are absent are null here. */
export const deployed: Dialect = {
  ...typed,
  interest: () => null,
  read: (frame) => {
    const named = typed.read(frame);
    if (named?.event !== "attendance_update") return named;
    const { data } = frame as { data: Record<string, unknown> };
    const { user_name = null, updated_at = null } = data;
    return { event: GENERAL, data: { status: null, date: null, device: null, isLate: null, employee_name: user_name, timestamp: updated_at, ...data } };
  },
};
