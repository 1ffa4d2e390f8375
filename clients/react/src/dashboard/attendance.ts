"use client";
// The latest attendance of an employee, or of anyone.

import { useCallback, useEffect, useState } from "react";

import { useStatus } from "../hooks/status.js";
import { isOpen } from "../preset/rules.js";
import { useDashboard, useFollow, wordOf, type ConnectionStatus } from "./context.js";
import { ALL } from "./dialects.js";
import type { Attendance } from "./events.js";

export interface RealTimeAttendanceState {
  /** The latest update since the component was mounted. */
  realTimeData: Attendance | null;
  isConnected: boolean;
  getConnectionStatus(): ConnectionStatus;
  lastUpdate: Date | null;
  hasRealTimeData: boolean;
  /** The time of the last update in the language of the browser; empty before the first. */
  getFormattedLastUpdate(): string;
  /** Tries to connect at once, if it is not connected. */
  refresh(): void;
}

/** Without an id: of all employees. */
export function useRealTimeAttendance(employeeId?: string | number | null): RealTimeAttendanceState {
  const client = useDashboard("useRealTimeAttendance");
  const follow = useFollow("useRealTimeAttendance");
  const employee = employeeId === undefined || employeeId === null ? ALL : String(employeeId);
  const [last, setLast] = useState<{ employee: string; data: Attendance; at: Date } | null>(null);
  useEffect(() => follow(employee, (data) => setLast({ employee, data, at: new Date() })), [follow, employee]);
  // Not that of the employee before.
  const shown = last?.employee === employee ? last : null;
  const connectionStatus = useStatus(wordOf, client);
  return {
    realTimeData: shown?.data ?? null,
    isConnected: useStatus(isOpen, client),
    getConnectionStatus: () => connectionStatus,
    lastUpdate: shown?.at ?? null,
    hasRealTimeData: shown !== null,
    getFormattedLastUpdate: () => shown?.at.toLocaleTimeString() ?? "",
    refresh: useCallback(() => {
      if (client.snapshot().status !== "open") client.reconnect("refresh");
    }, [client]),
  };
}
