// Sessions and their rosters, as Django's REST has them.

import type { AttendanceStatus, AttendanceUpdate, Attendee, SessionUpdated } from "@channelgate/react/tracker";

import { django } from "../../django";
import { PEOPLE, type Person } from "../../session";

export interface ClassSession {
  readonly id: number;
  readonly title: string;
  readonly status: "scheduled" | "active" | "completed" | "cancelled";
  readonly capacity: number;
}

/** A seat of the plan: somebody who is expected or has come. */
export interface Seat {
  readonly userId: number;
  readonly userName: string;
  /** null: has not come yet. */
  readonly status: AttendanceStatus | null;
  readonly checkInTime: string | null;
  /** Whether an event has changed it since it was loaded. */
  readonly isLive?: boolean;
}

/** Who opens and closes the session: the person of the second phone. */
export const MODERATOR = PEOPLE.find(({ role }) => role === "moderator")!;

export const isOpen = ({ status }: ClassSession): boolean => status === "active";

export const loadSessions = (person: Person) => (signal: AbortSignal): Promise<ClassSession[]> => django(person, "tracker/sessions/", { signal });

export const makeSession = (): Promise<ClassSession> =>
  django(MODERATOR, "tracker/sessions/", { method: "POST", body: { title: "Introduction to networks", status: "active" } });

export const setStatus = (id: number, status: ClassSession["status"]): Promise<ClassSession> =>
  django(MODERATOR, `tracker/sessions/${id}/`, { method: "PATCH", body: { status } });

export const loadSeats = async (person: Person, id: number, signal: AbortSignal): Promise<Seat[]> =>
  (await django<{ seats: Seat[] }>(person, `tracker/sessions/${id}/roster/`, { signal })).seats;

/** Whether they are there: who has left is `absent`. */
export const isHere = ({ status }: Seat): boolean => status === "present" || status === "late";

/** Those who are there, as the package's list has them. */
export const attendeesOf = (seats: readonly Seat[]): Attendee[] =>
  seats.filter(isHere).flatMap(({ userId, userName, status, checkInTime }) => (status && checkInTime ? [{ userId, userName, status, checkInTime }] : []));

/** The seat after an event; null: it is about another session. */
export function seatOf(session: number, { userId, userName, status, checkInTime, sessionId }: AttendanceUpdate, before?: Seat): Seat | null {
  if (`${sessionId}` !== `${session}`) return null;
  return { userId: Number(userId), userName: userName ?? before?.userName ?? `User ${userId}`, status, checkInTime, isLive: true };
}

/** The session after `sessionUpdated`, which has what the moderator sent. */
export function sessionAfter({ sessionId, status }: SessionUpdated, find: (id: number) => ClassSession | undefined): ClassSession | null {
  const before = find(Number(sessionId));
  return before ? { ...before, status: (status as ClassSession["status"] | undefined) ?? before.status } : null;
}

const WORDS: Partial<Record<string, string>> = { active: "open", completed: "closed", cancelled: "cancelled", scheduled: "scheduled" };

/** What an event says, in a few words. */
export function textOf(event: string, data: unknown): string {
  const { userName, userId, status, totalAttendees, capacity, message } = (data ?? {}) as Record<string, string | number | null | undefined>;
  if (event === "session-stats-update") return `${totalAttendees} of ${capacity}`;
  // It has what the moderator sent, which may be something else than a status.
  if (event === "sessionUpdated") return WORDS[`${status}`] ?? "changed";
  if (message) return String(message);
  return [userName ?? (userId && `user ${userId}`), status].filter(Boolean).join(", ");
}
