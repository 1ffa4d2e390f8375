"use client";
// Who has attended a session, and a button to attend.

import { useEffect, useState, type ReactElement } from "react";

import { MissedBanner } from "../components/index.js";
import { useLabels, useParts, type PartProps } from "../components/parts.js";
import { boardOf, plain, say } from "../components/store.js";
import { useLiveList, type LiveList } from "../live-list.js";
import { trackerEnglish } from "../preset-labels.js";
import { withoutLoad } from "../preset/no-load.js";
import type { AttendanceUpdate, TrackerEvents } from "./events.js";
import { trackerClient } from "./service.js";
import { useSocket } from "./use-socket.js";

/** Who has attended, at least with name and status. */
export type Attendee = Pick<AttendanceUpdate, "userId" | "userName" | "status"> & Partial<AttendanceUpdate>;

export interface SessionAttendanceProps extends PartProps {
  sessionId: string | number;
  /** Who has attended already. */
  initial?: readonly Attendee[] | undefined;
  /** Loads who has attended, at first and after events may have been missed. */
  load?: ((signal: AbortSignal) => Promise<readonly Attendee[]>) | undefined;
}

const NONE: readonly Attendee[] = [];

/** One row per user: a repeated mark changes it. */
export function SessionAttendance({ sessionId, initial = NONE, load, ...props }: SessionAttendanceProps): ReactElement {
  const { h, root } = useParts(props);
  const labels = useLabels(props.labels, trackerEnglish);
  const { joinSession, leaveSession, markAttendance, onEvent } = useSocket();
  const client = trackerClient();
  const [message, setMessage] = useState("");
  const list: LiveList<Attendee> = useLiveList<Attendee, TrackerEvents, "attendanceUpdate">({
    id: sessionId,
    load: load ?? withoutLoad(client, () => attendees),
    key: ({ userId }) => userId,
    events: { upsert: ["attendanceUpdate"] },
    // The page may be in several sessions.
    item: (update) => (`${update.sessionId}` === `${sessionId}` ? update : null),
    of: client,
  });
  // Without a load they stay where something was missed before.
  const attendees = list.status === "ready" ? list.items : [...new Map([...initial, ...list.items].map((one) => [`${one.userId}`, one])).values()];

  useEffect(() => {
    const tell = ({ message: text }: { message: string }) => {
      setMessage(text);
      say(boardOf(client), { text });
    };
    joinSession(sessionId);
    const stops = [onEvent("attendanceMarked", tell), onEvent("error", tell)];
    return () => {
      leaveSession(sessionId);
      for (const stop of stops) stop();
    };
  }, [client, sessionId, joinSession, leaveSession, onEvent]);

  const mark = () =>
    navigator.geolocation.getCurrentPosition(
      ({ coords: { latitude, longitude } }) => markAttendance(sessionId, { latitude, longitude }),
      () => markAttendance(sessionId, null),
    );
  return h(
    "list",
    "section",
    { ...root, "aria-label": labels.attendance },
    h("header", "div", null, h("button", "button", { type: "button", onClick: mark }, labels.markAttendance), message && h("text", "p", { dir: "auto" }, plain(message))),
    <MissedBanner of={client} labels={props.labels} load={load && list.reload} />,
    h(
      "items",
      "ul",
      null,
      attendees.map(({ userId, userName, status }) => h("item", "li", { key: userId, "data-type": status }, `${userName ?? userId} - ${labels[status]}`)),
    ),
  );
}
