"use client";
// What the dashboard shows: the connection, updates as messages, and today's numbers.

import { useEffect, type JSX } from "react";

import { ConnectionStatus, Figures, MissedBanner, Toasts, useLabels, useToasts, type ConnectionStatusProps, type FiguresProps, type ConnectedProps } from "../components/index.js";
import { button, useParts } from "../components/parts.js";
import { useLatest } from "../hooks/latest.js";
import { time } from "../labels.js";
import { useLiveList, type LiveList } from "../live-list.js";
import { dashboardEnglish } from "../preset-labels.js";
import { withoutLoad } from "../preset/no-load.js";
import { follow, useDashboard, useRealTimeAttendance } from "./context.js";
import { ALL, GENERAL } from "./dialects.js";
import type { Attendance, DashboardEvents } from "./events.js";

export const WebSocketStatus = (props: Omit<ConnectionStatusProps, "of">): JSX.Element => <ConnectionStatus {...props} of={useDashboard("WebSocketStatus")} />;

const stateOf = ({ isLate, status }: Attendance): string => (isLate ? "late" : (status ?? ""));
const isKnown = (state: string): state is "present" | "late" | "absent" => /^(present|late|absent)$/.test(state);
const dayOf = ({ date }: Attendance): string => date ?? "";

export interface RealTimeNotificationProps extends Omit<ConnectedProps, "of"> {
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
  const { show } = useToasts(client);
  const labels = useLabels(props.labels, dashboardEnglish);
  const latest = useLatest((update: Attendance) => {
    const state = stateOf(update);
    const body = isKnown(state) ? labels[state] : state;
    show({ title: update.employee_name ?? update.employee_id, body, duration: autoHide ? hideDelay : null, counts: labels.newAttendance });
  });
  useEffect(() => follow(client, employeeId, (update) => latest()(update)), [client, employeeId, latest]);
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
  const labels = useLabels(props.labels, dashboardEnglish);
  const { h } = useParts(props);
  const { lastUpdate } = useRealTimeAttendance();
  const list: LiveList<Attendance> = useLiveList<Attendance, DashboardEvents, typeof GENERAL>({
    load: load ?? withoutLoad(client, () => list.items),
    key: (one) => one.employee_id,
    events: { upsert: [GENERAL] },
    item: (update) => (update.employee_id === null ? null : (update as Attendance)),
    of: client,
  });

  const day = list.items.map(dayOf).sort().at(-1);
  const count = (...states: string[]) => list.items.filter((one) => dayOf(one) === day && states.includes(stateOf(one))).length;
  const present = count("present", "late");
  // Until the day is loaded it is not known who is absent. Updates say who is present.
  const status = load && list.status;
  const known = (value: number) => (status === "loading" ? null : value);
  return (
    <Figures
      heading={labels.attendance}
      {...props}
      figures={[
        { term: labels.present, value: known(present), tone: "good" },
        { term: labels.late, value: known(count("late")), tone: "warn" },
        { term: labels.absent, value: status === "error" ? null : known(total === undefined ? count("absent") : total - present), tone: "bad" },
        ...(total === undefined ? [] : [{ term: labels.total, value: total }]),
      ]}
    >
      {props.children ?? (lastUpdate ? labels.lastUpdate(time(labels.locale, lastUpdate)) : labels.noUpdates)}
      {status === "error" && button(h, labels.tryAgain, () => void list.reload().catch(() => undefined))}
      <MissedBanner of={client} labels={props.labels} load={load && list.reload} />
    </Figures>
  );
}
