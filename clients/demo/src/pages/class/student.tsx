// The student's phone: one button, what became of it, and who has come. Its socket is the page's.

import { SessionAttendance, trackerClient, useSocket } from "@channelgate/react/tracker";
import { useCallback, useEffect, useRef, useState, type JSX } from "react";

import type { Person } from "../../session";
import { shortTime } from "../../ui/time";
import { attendeesOf, isOpen, loadSeats, type ClassSession } from "./data";
import { Phone } from "./phone";

interface Answer {
  readonly kind: "waits" | "marked" | "refused";
  readonly text: string;
}

/** What the node answers to `markAttendance` where it does not mark. */
const REFUSALS: readonly string[] = ["Invalid or inactive session", "Failed to mark attendance"];

const WAITS: Answer = { kind: "waits", text: "Sent. It waits for the answer." };
/** After this time, in ms, no answer comes any more: its node has ended, for instance. What waits for a connection is sent within 30 s. */
const PATIENCE = 40_000;
const NONE: Answer = { kind: "waits", text: "No answer has come. Press it again." };

const NO_BUTTON = { header: "phone-own-header" };

export interface StudentProps {
  session: ClassSession;
  person: Person;
  userId: number | null;
  /** How often the page's data was loaded anew: with it the list begins again. */
  loads: number;
}

export function Student({ session, person, userId, loads }: StudentProps): JSX.Element {
  const { markAttendance, onEvent, isConnected } = useSocket();
  const [answer, setAnswer] = useState<Answer | null>(null);
  const isActive = isOpen(session);
  // What was answered before the session was opened or closed does not hold any more.
  const [wasActive, setWasActive] = useState(isActive);
  if (wasActive !== isActive) {
    setWasActive(isActive);
    setAnswer((before) => (before?.kind === "refused" ? null : before));
  }

  useEffect(() => {
    const stops = [
      onEvent("attendanceMarked", ({ attendance: { status, checkInTime } }) => setAnswer({ kind: "marked", text: `You are ${status} since ${shortTime(checkInTime)}.` })),
      onEvent("error", ({ message }) => REFUSALS.includes(message) && setAnswer({ kind: "refused", text: message })),
    ];
    return () => stops.forEach((stop) => stop());
  }, [onEvent]);

  const isWaiting = answer === WAITS;
  useEffect(() => {
    if (!isWaiting) return undefined;
    const timer = setTimeout(() => setAnswer(NONE), PATIENCE);
    return () => clearTimeout(timer);
  }, [isWaiting]);

  const list = useRef<HTMLDivElement>(null);
  useEffect(() => (list.current ? followEnd(list.current) : undefined), []);

  const mark = () => {
    setAnswer(WAITS);
    // Without the place: the browser would ask for a permission.
    markAttendance(session.id, null);
  };
  const load = useCallback(async (signal: AbortSignal) => attendeesOf(await loadSeats(person, session.id, signal)), [person, session.id]);

  return (
    <Phone kind="student" person={person} userId={userId} client={trackerClient()}>
      <div className="phone-head">
        <h2>{session.title}</h2>
        <p className="class-state" data-open={isActive}>
          {isActive ? "Open: attendance is taken" : "Closed by the moderator"}
        </p>
      </div>
      <button type="button" className="phone-mark" data-open={isActive} data-testid="mark-attendance" onClick={mark}>
        Mark attendance
      </button>
      <p className="phone-answer" data-kind={answer?.kind ?? "none"} data-testid={answer?.kind === "refused" ? "mark-refusal" : undefined}>
        {answer?.kind === "refused" && <b>The node refuses: </b>}
        {answer ? (isWaiting && !isConnected ? "It waits for the connection, for up to 30 s." : answer.text) : "Press it: the node asks Django to record it."}
      </p>
      <h3 className="phone-title">Who has come</h3>
      <div ref={list} className="phone-list" role="group" aria-label="Who has come" tabIndex={0}>
        {/* Its own button would ask for the place; the button above is this page's. */}
        <SessionAttendance key={loads} sessionId={session.id} load={load} classNames={NO_BUTTON} />
      </div>
    </Phone>
  );
}

/** Nearer to the end than this, in pixels, somebody reads the latest entries. */
const NEAR = 48;

/** Keeps the end in view, unless somebody has scrolled away from it. */
function followEnd(list: HTMLElement): () => void {
  let isAtEnd = true;
  const onScroll = () => {
    isAtEnd = list.scrollHeight - list.clientHeight - list.scrollTop < NEAR;
  };
  const observer = new MutationObserver(() => {
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  });
  list.addEventListener("scroll", onScroll, { passive: true });
  observer.observe(list, { childList: true, subtree: true });
  return () => {
    list.removeEventListener("scroll", onScroll);
    observer.disconnect();
  };
}
