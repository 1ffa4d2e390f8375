// The figures of a session: asked at first, after each mark and after a miss, and sent by Django.

import { useEvent, useStatus } from "@channelgate/react";
import { trackerClient, useSocket, type TrackerEvents } from "@channelgate/react/tracker";
import { useEffect, useRef, useState } from "react";

import type { ClassSession } from "./data";

export interface Stats {
  readonly present: number;
  readonly late: number;
}

/** Marks that come together are asked for once. Milliseconds. */
const TOGETHER = 200;

export function useStats({ id }: ClassSession): Stats | null {
  const client = trackerClient();
  const { getAttendanceStats, isConnected } = useSocket();
  const recovery = useStatus(({ recovery: now }) => now, client);
  const [stats, setStats] = useState<(Stats & { of: number }) | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  useEffect(() => {
    if (isConnected) getAttendanceStats(id);
  }, [id, isConnected, recovery, getAttendanceStats]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const ask = (data: { sessionId: number | string }) => {
    if (`${data.sessionId}` !== `${id}`) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => getAttendanceStats(id), TOGETHER);
  };
  useEvent<TrackerEvents, "attendanceUpdate">("attendanceUpdate", ask, client);
  useEvent<TrackerEvents, "session-stats-update">("session-stats-update", ask, client);
  useEvent<TrackerEvents, "attendanceStats">(
    "attendanceStats",
    ({ sessionId, stats: counts }) => {
      if (`${sessionId}` !== `${id}`) return;
      const of = (wanted: string) => counts.find(({ status }) => status === wanted)?.count ?? 0;
      setStats({ of: id, present: of("present"), late: of("late") });
    },
    client,
  );
  return stats?.of === id ? stats : null;
}
