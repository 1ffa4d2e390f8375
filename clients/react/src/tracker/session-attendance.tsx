"use client";
// Who has attended a session, and a button to attend.

import { useEffect, useMemo, useState, useSyncExternalStore, type JSX } from "react";

import { MissedBanner } from "../components/missed.js";
import { parts, speech, useLabels, type PartProps } from "../components/parts.js";
import { createFold } from "../frame.js";
import { useMissed } from "../hooks/missed.js";
import type { AttendanceUpdate } from "./events.js";
import { trackerClient } from "./service.js";
import { useSocket } from "./use-socket.js";

type Row = Pick<AttendanceUpdate, "userId" | "userName" | "status"> & Partial<AttendanceUpdate>;

export interface SessionAttendanceProps extends PartProps {
  sessionId: string | number;
  /** Who has attended already. */
  initial?: readonly Row[] | undefined;
  /** Loads who has attended, at first and after events may have been missed. */
  load?: ((signal: AbortSignal) => Promise<readonly Row[]>) | undefined;
}

const byUser = (rows: readonly Row[]): ReadonlyMap<string, Row> => new Map(rows.map((row) => [String(row.userId), row]));

/** One row per user: a repeated mark changes it. */
export function SessionAttendance({ sessionId, initial = NONE, load, ...props }: SessionAttendanceProps): JSX.Element {
  const p = parts(props);
  const labels = useLabels(props.labels);
  const { joinSession, leaveSession, markAttendance, onEvent } = useSocket();
  const client = trackerClient();
  const [message, setMessage] = useState("");

  const rows = useRows(sessionId, initial);
  useEffect(() => {
    joinSession(sessionId);
    const stops = ["attendanceMarked", "error"].map((event) => onEvent(event, (data) => setMessage((data as { message: string }).message)));
    return () => {
      leaveSession(sessionId);
      for (const stop of stops) stop();
    };
  }, [sessionId, joinSession, leaveSession, onEvent]);

  const mark = () => {
    const located = (location: { latitude: number; longitude: number } | null) => markAttendance(sessionId, location);
    if (!("geolocation" in navigator)) return located(null);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => located({ latitude: coords.latitude, longitude: coords.longitude }),
      () => located(null),
    );
  };
  return null as never;
}

const NONE: readonly Row[] = [];
