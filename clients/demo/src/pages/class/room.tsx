// The room: a seat for everyone who is expected, and a ring of the figures.

import type { LiveList } from "@channelgate/react";
import type { CSSProperties, JSX } from "react";

import type { Person } from "../../session";
import { Avatar } from "../../ui/avatar";
import { Failed } from "../../ui/states";
import { shortTime } from "../../ui/time";
import { isHere, isOpen, type ClassSession, type Seat } from "./data";
import { useStats, type Stats } from "./stats";

export interface RoomProps {
  session: ClassSession;
  list: LiveList<Seat>;
  person: Person;
  userId: number | null;
}

const firstName = (name: string) => name.split(" ")[0];

export function Room({ session, list, person, userId }: RoomProps): JSX.Element {
  const stats = useStats(session);
  const isMine = (seat: Seat) => seat.userId === userId;
  // The page's person has the first seat from the beginning: nobody moves when they come.
  const own: Seat = list.items.find(isMine) ?? { userId: userId ?? 0, userName: person.name, status: null, checkInTime: null };
  const others = list.items.filter((seat) => !isMine(seat));
  const isLoading = list.status === "loading";
  const spare = Math.max(0, session.capacity - 1 - (isLoading ? 0 : others.length));
  return (
    <section className="room" aria-label="The room" aria-busy={isLoading}>
      <header className="room-board">
        <div>
          <h2>{session.title}</h2>
          <p className="class-state" data-open={isOpen(session)}>
            {isOpen(session) ? "Open" : "Closed"}, {session.capacity} seats
          </p>
          <dl className="room-legend">
            <Figure of="present" name="Present" value={stats?.present} />
            <Figure of="late" name="Late" value={stats?.late} />
          </dl>
        </div>
        <Ring stats={stats} capacity={session.capacity} />
      </header>
      {list.status === "error" ? (
        <Failed what="The seats" error={list.error} again={list.reload} />
      ) : (
        <ul className="room-seats" aria-label="Seats">
          {isLoading ? <SeatOf seat={null} /> : <SeatOf seat={own} own={person} />}
          {!isLoading && others.map((seat) => <SeatOf key={seat.userId} seat={seat} />)}
          {Array.from({ length: spare }, (_, index) => (
            <li key={`${isLoading}-${index}`} className="seat" data-status={isLoading ? "loading" : "spare"} aria-hidden="true" />
          ))}
        </ul>
      )}
    </section>
  );
}

function Figure({ of, name, value }: { of: string; name: string; value: number | undefined }): JSX.Element {
  return (
    <div data-of={of}>
      <dt>{name}</dt>
      <dd>{value ?? "–"}</dd>
    </div>
  );
}

/** `own`: it is the seat of the page's person. */
function SeatOf({ seat, own }: { seat: Seat | null; own?: Person }): JSX.Element {
  if (!seat) return <li className="seat" data-status="loading" aria-hidden="true" />;
  const { userId, userName, status, checkInTime, isLive = false } = seat;
  const is = isHere(seat);
  const state = !is ? (status ? "has left" : "not here yet") : `${status}${checkInTime ? ` since ${shortTime(checkInTime)}` : ""}`;
  return (
    <li className="seat" data-testid={`seat-${userId}`} data-status={is ? status : "empty"} data-own={!!own} title={`${userName}, ${state}`}>
      {!is ? (
        <span className="seat-initials" aria-hidden="true">
          {userName.split(" ").map((word) => word[0])}
        </span>
      ) : (
        // Another key, so that the ring fades once for each change.
        <span className="seat-face" key={`${status}${checkInTime}`} data-live={isLive}>
          <Avatar seed={userId} name="" size={40} looks={own} ring={status === "late" ? "warn" : true} />
          {status === "late" && <i className="seat-late" aria-hidden="true" />}
        </span>
      )}
      <span className="seat-name" aria-hidden="true">
        {own ? "You" : firstName(userName)}
      </span>
      <span className="visually-hidden">
        {userName}, {state}
      </span>
    </li>
  );
}

function Ring({ stats, capacity }: { stats: Stats | null; capacity: number }): JSX.Element {
  const { present, late } = stats ?? { present: 0, late: 0 };
  const share = (n: number) => (capacity ? (100 * n) / capacity : 0);
  const label = stats ? `${present + late} of ${capacity} have come: ${present} present, ${late} late` : "The figures are loading";
  return (
    <div className="ring" data-testid="stats-ring" role="img" aria-label={label} data-total={stats ? present + late : undefined}>
      <svg viewBox="0 0 120 120" aria-hidden="true" style={{ "--present": share(present), "--late": share(late) } as CSSProperties}>
        <circle className="ring-track" cx="60" cy="60" r="50" pathLength="100" />
        <circle className="ring-late" cx="60" cy="60" r="50" pathLength="100" />
        <circle className="ring-present" cx="60" cy="60" r="50" pathLength="100" />
      </svg>
      <p aria-hidden="true">
        <b>{stats ? present + late : "–"}</b>
        <span>of {capacity}</span>
      </p>
    </div>
  );
}
