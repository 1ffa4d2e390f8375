"use client";
// The provider of the dashboard, and the hook that subscribes to employees.

import type { Client, Status, Token } from "@channelgate/client";
import { createContext, useContext, useMemo, type ReactNode } from "react";

import { useClientOf } from "../context.js";
import { useStatus, type Status as State } from "../hooks/status.js";
import { useHeld } from "../preset/held.js";
import { FIVE, isOpen } from "../preset/rules.js";
import { stored, userOf } from "../preset/stored.js";
import { ChannelgateProvider } from "../provider.js";
import { ALL, deployed, laterSocketIo } from "./dialects.js";
import type { Attendance, DashboardEvents } from "./events.js";

export type ConnectionStatus = "connecting" | "connected" | "disconnected" | "error" | "failed";

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

/** The event that tells of all employees. */
const General = createContext<"general_attendance_update" | "attendance_update">("general_attendance_update");

export function WebSocketProvider({ children, url, token, transport = "socket.io", storageKey = "access_token", labels }: WebSocketProviderProps): ReactNode {
  const isPlain = transport === "websocket";
  const server = useMemo(() => (isPlain ? { dialect: deployed() } : { transport: laterSocketIo() }), [isPlain]);
  const kept = stored(storageKey);
  // Read in each render, too: a login in this tab sends no event of its own.
  const login = token !== undefined ? { token } : kept !== null ? { token: () => stored(storageKey), user: userOf(kept) } : {};
  return (
    <ChannelgateProvider
      key={transport}
      name="dashboard"
      url={url ?? (isPlain ? "/ws/attendance/" : "/")}
      backoff={FIVE}
      {...server}
      {...login}
      {...(labels && { labels })}
    >
      <General.Provider value={isPlain ? "attendance_update" : "general_attendance_update"}>{children}</General.Provider>
    </ChannelgateProvider>
  );
}

export type OnAttendance = (update: Attendance) => void;

/** The client of the dashboard's provider, for hooks and components. */
export const useDashboard = (hook: string): Client<DashboardEvents> =>
  useClientOf<DashboardEvents>(hook, "dashboard", { provider: "WebSocketProvider", from: "@channelgate/react/dashboard" });

export const useGeneral = (): "general_attendance_update" | "attendance_update" => useContext(General);

/** Subscribes to one employee, or to all. A function of what to do with their updates, which returns what ends it. */
export function useFollow(hook: string): (employee: string, callback: OnAttendance) => () => void {
  const client = useDashboard(hook);
  const general = useGeneral();
  return useMemo(
    () => (employee, callback) => {
      const leave = client.want("room", employee);
      const isGeneral = employee === ALL;
      const stop = client.on(isGeneral ? general : "attendance_update", (data) => {
        if (isGeneral || String(data.employee_id) === employee) callback(data as Attendance);
      });
      return () => {
        leave();
        stop();
      };
    },
    [client, general],
  );
}

const WORDS: Record<Status, ConnectionStatus> = {
  idle: "disconnected",
  connecting: "connecting",
  open: "connected",
  reconnecting: "connecting",
  offline: "disconnected",
  unauthorized: "error",
  failed: "failed",
  closed: "disconnected",
};

export const wordOf = ({ status }: State): ConnectionStatus => WORDS[status];

export interface DashboardSocket {
  isConnected: boolean;
  connectionStatus: ConnectionStatus;
  /** Calls back with updates of this employee. It replaces this component's former subscription to the employee, and ends with the component. */
  subscribeToAttendanceUpdates(employeeId: string | number, callback: OnAttendance): () => void;
  unsubscribeFromAttendanceUpdates(employeeId: string | number): void;
  subscribeToGeneralAttendanceUpdates(callback: OnAttendance): () => void;
  unsubscribeFromGeneralAttendanceUpdates(): void;
  /** Connects after `disconnect`, after a login or after failing. */
  connect(token?: string): void;
  /** Disconnects the whole page, until `connect`. */
  disconnect(): void;
}

export function useWebSocket(): DashboardSocket {
  const client = useDashboard("useWebSocket");
  const follow = useFollow("useWebSocket");
  const held = useHeld();
  const isConnected = useStatus(isOpen, client);
  const connectionStatus = useStatus(wordOf, client);
  const stable = useMemo(
    () => ({
      subscribeToAttendanceUpdates: (id: string | number, callback: OnAttendance) => held.hold(`${id}`, () => follow(`${id}`, callback)),
      unsubscribeFromAttendanceUpdates: (id: string | number) => held.end(`${id}`),
      subscribeToGeneralAttendanceUpdates: (callback: OnAttendance) => held.hold(ALL, () => follow(ALL, callback)),
      unsubscribeFromGeneralAttendanceUpdates: () => held.end(ALL),
      connect: (token?: string) => {
        if (token) client.setToken(token);
        if (client.snapshot().status !== "open") client.reconnect("connect");
      },
      disconnect: () => client.disconnect(),
    }),
    [client, follow, held],
  );
  return useMemo(() => ({ ...stable, isConnected, connectionStatus }), [stable, isConnected, connectionStatus]);
}
