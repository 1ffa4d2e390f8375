"use client";
// The hook of the tracker's document: one connection while any component uses it.

import { useEffect, useMemo } from "react";

import { useStatus } from "../hooks/status.js";
import { isOpen } from "../preset/rules.js";
import { socketService, trackerClient, type SocketService } from "./service.js";

export interface TrackerSocket extends Pick<SocketService, "joinSession" | "leaveSession" | "markAttendance" | "getAttendanceStats" | "sessionUpdate" | "socket"> {
  onEvent: SocketService["on"];
  isConnected: boolean;
}

const { joinSession, leaveSession, markAttendance, getAttendanceStats, sessionUpdate, on: onEvent, socket } = socketService;
const stable = { joinSession, leaveSession, markAttendance, getAttendanceStats, sessionUpdate, onEvent, socket };

/** All functions are the same in each render and component. */
export function useSocket(): TrackerSocket {
  const client = trackerClient();
  useEffect(() => client.acquire(), [client]);
  const isConnected = useStatus(isOpen, client);
  return useMemo(() => ({ ...stable, isConnected }), [isConnected]);
}
