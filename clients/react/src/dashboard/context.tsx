"use client";
// The provider of the dashboard, and the hooks that subscribe to employees.

import type { Client, Token } from "@channelgate/client";
import { useMemo, type ReactNode } from "react";

import { useClientOf } from "../context.js";
import { createFold, together } from "../frame.js";
import { useShown } from "../hooks/shown.js";
import { useStatus, type Status } from "../hooks/status.js";
import { useHeld } from "../preset/held.js";
import { FIVE, retry } from "../preset/rules.js";
import { stored } from "../preset/stored.js";
import { userOf } from "../preset/user-of.js";
import { ChannelgateProvider } from "../provider.js";
import { ALL, deployed, documented, GENERAL } from "./dialects.js";
import type { Attendance, DashboardEvents } from "./events.js";

export type ConnectionStatus = "connecting" | "connected" | "disconnected" | "error" | "failed";
export type OnAttendance = (update: Attendance) => void;
export type EmployeeId = string | number;

export interface WebSocketProviderProps {
  children?: ReactNode;
  /** Default: this page's origin; with `transport="websocket"` its path /ws/attendance/. */
  url?: string | URL;
  /** Default: what localStorage has under `storageKey`. Without a token it connects as well: the server may allow that. */
  token?: Token;
  /** `socket.io` as documented, or `websocket`, as deployed. */
  transport?: "socket.io" | "websocket";
  storageKey?: string;
  labels?: object;
}

export function WebSocketProvider({ children, transport = "socket.io", url, token, storageKey = "access_token", ...props }: WebSocketProviderProps): ReactNode {
  const isPlain = transport === "websocket";
  const place = url ?? (isPlain ? "/ws/attendance/" : "/");
  // Read in each render, too: a login in this tab sends no event of its own. Without one it connects without a token.
  const login = token !== undefined ? { token } : { token: () => stored(storageKey) ?? "", user: userOf(stored(storageKey)) };
  return (
    <ChannelgateProvider key={`${transport} ${place}`} {...props} name="dashboard" backoff={FIVE} {...(isPlain ? { url: place, dialect: deployed } : documented(place))} {...login}>
      {children}
    </ChannelgateProvider>
  );
}

/** The client of the dashboard's provider, for hooks and components. */
export const useDashboard = (hook: string): Client<DashboardEvents> =>
  useClientOf<DashboardEvents>(hook, "dashboard", { provider: "WebSocketProvider", from: "@channelgate/react/dashboard" });

/** Calls back with updates of one employee, or of all. Returns what ends it. */
export function follow(client: Client<DashboardEvents>, employee: EmployeeId, callback: OnAttendance): () => void {
  return together(
    client.want("room", `${employee}`),
    client.on("*", (data, { event, frame }) => {
      const isGeneral = event === GENERAL;
      const update = data as Attendance | undefined;
      // The server without rooms has one event for both, whose frame has a type.
      const isOne = (!isGeneral || (frame as { type?: string }).type) && `${update?.employee_id}` === `${employee}`;
      if (update && (employee === ALL ? isGeneral : isOne)) callback(update);
    }),
  );
}

function wordOf({ status }: Status): ConnectionStatus {
  if (status === "open") return "connected";
  if (status === "unauthorized") return "error";
  return status === "failed" ? status : /ing$/.test(status) ? "connecting" : "disconnected";
}

export interface DashboardSocket {
  isConnected: boolean;
  connectionStatus: ConnectionStatus;
  /** Calls back with updates of this employee. It replaces this component's former subscription to the employee, and ends with the component. */
  subscribeToAttendanceUpdates(this: void, employeeId: EmployeeId, callback: OnAttendance): () => void;
  unsubscribeFromAttendanceUpdates(this: void, employeeId: EmployeeId): void;
  subscribeToGeneralAttendanceUpdates(this: void, callback: OnAttendance): () => void;
  unsubscribeFromGeneralAttendanceUpdates(this: void): void;
  /** Connects after `disconnect`, after a login or after failing. */
  connect(this: void, token?: string): void;
  /** Disconnects the whole page, until `connect`. */
  disconnect(this: void): void;
}

export function useWebSocket(): DashboardSocket {
  const client = useDashboard("useWebSocket");
  const { hold, end } = useHeld();
  const connectionStatus = useStatus(wordOf, client);
  const stable = useMemo(() => {
    const start = (employee: EmployeeId, callback: OnAttendance) => hold(employee, () => follow(client, employee, callback));
    return {
      subscribeToAttendanceUpdates: start,
      unsubscribeFromAttendanceUpdates: end,
      subscribeToGeneralAttendanceUpdates: (callback: OnAttendance) => start(ALL, callback),
      unsubscribeFromGeneralAttendanceUpdates: () => end(ALL),
      connect: (token?: string) => {
        if (token) client.setToken(token);
        retry(client);
      },
      disconnect: () => client.disconnect(),
    };
  }, [client, hold, end]);
  return { ...stable, connectionStatus, isConnected: connectionStatus === "connected" };
}

export interface RealTimeAttendanceState {
  /** The latest update since the component was mounted. */
  realTimeData: Attendance | null;
  isConnected: boolean;
  getConnectionStatus(this: void): ConnectionStatus;
  lastUpdate: Date | null;
  hasRealTimeData: boolean;
  /** The time of the last update in the language of the browser; empty before the first. */
  getFormattedLastUpdate(this: void): string;
  /** Tries to connect at once, if it is not connected. */
  refresh(this: void): void;
}

interface Shown {
  data: Attendance | null;
  at: Date | null;
}
const NONE: Shown = { data: null, at: null };

/** Without an id: of all employees. */
export function useRealTimeAttendance(employeeId?: EmployeeId | null): RealTimeAttendanceState {
  const client = useDashboard("useRealTimeAttendance");
  const employee = employeeId ?? ALL;
  // Not what the employee before had, or another user saw.
  const source = useMemo(() => createFold<Shown>(NONE, (update) => follow(client, employee, (data) => update(() => ({ data, at: new Date() })))), [client, employee]);
  const { data, at } = useShown(source);
  const connectionStatus = useStatus(wordOf, client);
  return {
    realTimeData: data,
    isConnected: connectionStatus === "connected",
    getConnectionStatus: () => connectionStatus,
    lastUpdate: at,
    hasRealTimeData: !!at,
    getFormattedLastUpdate: () => at?.toLocaleTimeString() ?? "",
    refresh: () => retry(client),
  };
}
