// The day's attendance, from Django's REST and from the dashboard's events.

import { useLiveList, type LiveList, type UseLiveList } from "@channelgate/react";
import type { Attendance, DashboardEvents } from "@channelgate/react/dashboard";

import { django } from "../../django";
import type { Person } from "../../session";

/** What Django sends of an employee; the package adds the documented names of its fields. */
export interface CheckIn extends Attendance {
  readonly office?: string | null;
  readonly check_in_time?: string | null;
  readonly check_out_time?: string | null;
}

interface Row {
  employee_id: string;
  user_name: string;
  office: string;
  device: string | null;
  date: string;
  check_in_time: string | null;
  check_out_time: string | null;
  status: string;
  updated_at: string;
}

/** For the page and for `RealTimeAttendance`. */
export const loadDay =
  (person: Person) =>
  async (signal: AbortSignal): Promise<CheckIn[]> =>
    (await django<Row[]>(person, "attendance/", { signal })).map((row) => ({ ...row, employee_name: row.user_name, timestamp: row.updated_at, isLate: null }));

const useDashboardList: UseLiveList<DashboardEvents> = useLiveList;

/** The latest record of each employee. One that was deleted has no date. */
export function useDay(person: Person): LiveList<CheckIn> {
  return useDashboardList<CheckIn, "general_attendance_update">({
    load: loadDay(person),
    key: ({ employee_id }) => employee_id,
    events: { upsert: ["general_attendance_update"] },
    item: (update) => (update.employee_id === null ? null : (update as CheckIn)),
    sort: (a, b) => a.employee_id.localeCompare(b.employee_id),
    of: "dashboard",
  });
}

export type State = "present" | "late" | "absent" | "left";

/** Who has checked out has left, on time or late. */
export function stateOf({ status, isLate, check_in_time, check_out_time }: CheckIn): State {
  if (check_out_time) return "left";
  if (isLate === true || status === "late") return "late";
  return status === "absent" || !check_in_time ? "absent" : "present";
}

export const wasLate = ({ status, isLate }: CheckIn): boolean => isLate === true || status === "late";

export const STATES: Record<State, string> = { present: "Present", late: "Late", absent: "Absent", left: "Left" };

export const nameOf = ({ employee_name, employee_id }: CheckIn): string => employee_name ?? employee_id;

/** As of the latest day, as `RealTimeAttendance` counts: whose record is of a former day has not come. One that was deleted stays so. */
export function asOfToday(items: readonly CheckIn[]): readonly CheckIn[] {
  const day = items.reduce((latest, { date }) => (date !== null && date > latest ? date : latest), "");
  return items.map((one) =>
    one.date === null || one.date === day ? one : { ...one, status: "absent", isLate: false, check_in_time: null, check_out_time: null, device: null },
  );
}
