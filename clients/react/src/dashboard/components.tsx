"use client";
// What the dashboard shows: the connection, updates as messages, and today's numbers.

import { useEffect, type JSX } from "react";

import { Figures, type FiguresProps } from "../components/figures.js";
import { MissedBanner } from "../components/missed.js";
import { useLabels } from "../components/parts.js";
import { ConnectionStatus, type ConnectionStatusProps } from "../components/status.js";
import { Toasts, useToasts, type ToastsProps } from "../components/toasts.js";
import { useLatest } from "../hooks/latest.js";
import { time } from "../labels.js";
import { useLiveList, type LiveList } from "../live-list.js";
import { allEnglish } from "../preset-labels.js";
import { withoutLoad } from "../preset/no-load.js";
import { useRealTimeAttendance } from "./attendance.js";
import { useDashboard, useFollow, useGeneral } from "./context.js";
import { ALL } from "./dialects.js";
import type { Attendance, DashboardEvents } from "./events.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={useDashboard("WebSocketStatus")} />;

export interface RealTimeNotificationProps extends Omit<ToastsProps, "of"> {
  /** Without it: all employees. */
  employeeId?: string | number | undefined;
  /** Default: true. Otherwise a message stays until it is dismissed. */
  autoHide?: boolean | undefined;
  /** Milliseconds, at least 5000, which is the default. */
  hideDelay?: number | undefined;
}

/** Shows each update as a message. */
export function RealTimeNotification({ employeeId = ALL, autoHide = true, hideDelay = 5_000, ...props }: RealTimeNotificationProps): JSX.Element {
  const client = useDashboard("RealTimeNotification");
  const follow = useFollow("RealTimeNotification");
  const { show } = useToasts(client);
  const labels = useLabels(props.labels, allEnglish);
  const latest = useLatest((update: Attendance) => {
    const { present, late, absent } = labels;
    const words: Record<string, string> = { present, late, absent };
    const status = update.isLate ? "late" : (update.status ?? "");
    show({ title: update.employee_name ?? update.employee_id, body: words[status] ?? status, duration: autoHide ? hideDelay : null, counts: labels.newAttendance });
  });
  useEffect(() => follow(`${employeeId}`, (update) => latest()(update)), [follow, employeeId, latest]);
  return <Toasts {...props} of={client} />;
}

export interface RealTimeAttendanceProps extends Omit<FiguresProps, "figures"> {
  /** How many employees there are. With it, those without an update are absent. */
  total?: number | undefined;
  /** Loads the day's attendance, at first and after events may have been missed. */
  load?: ((signal: AbortSignal) => Promise<readonly Attendance[]>) | undefined;
}

/** The numbers of the latest day, each employee once. */
export function RealTimeAttendance({ total, load, ...props }: RealTimeAttendanceProps): JSX.Element {
  const client = useDashboard("RealTimeAttendance");
  const general = useGeneral();
  const labels = useLabels(props.labels, allEnglish);
  const { lastUpdate } = useRealTimeAttendance();
  const list: LiveList<Attendance> = useLiveList<Attendance, DashboardEvents, typeof general>({
    load: load ?? withoutLoad(client, () => list.items),
    key: (one) => one.employee_id,
    events: { upsert: [general] },
    item: (update) => (update.employee_id === null ? null : (update as Attendance)),
    of: client,
  });

  const day = list.items.reduce((last, { date }) => ((date ?? "") > last ? (date ?? "") : last), "");
  const today = list.items.filter(({ date }) => (date ?? day) === day);
  const count = (is: (one: Attendance) => boolean) => today.filter(is).length;
  const late = count((one) => one.isLate === true || one.status === "late");
  const present = count((one) => one.status === "present" || one.status === "late");
  return (
    <Figures
      heading={labels.attendance}
      {...props}
      figures={[
        { term: labels.present, value: present, tone: "good" },
        { term: labels.late, value: late, tone: "warn" },
        { term: labels.absent, value: total === undefined ? count((one) => one.status === "absent") : total - present, tone: "bad" },
        ...(total === undefined ? [] : [{ term: labels.total, value: total }]),
      ]}
    >
      {props.children ?? (lastUpdate ? labels.lastUpdate(time(labels.locale, lastUpdate)) : labels.noUpdates)}
      <MissedBanner of={client} labels={props.labels} {...(load && { load: list.reload })} />
    </Figures>
  );
}
