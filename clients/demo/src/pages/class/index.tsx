// Class: a session over Socket.IO, with the phones of a student and of the moderator, each with its own socket.

import { useLiveList, type LiveList } from "@channelgate/react";
import { trackerClient, type TrackerEvents } from "@channelgate/react/tracker";
import { useEffect, useMemo, useState, type JSX } from "react";

import { useSession, type Person } from "../../session";
import { Heading, hueOf } from "../../ui/heading";
import { MissedBar } from "../../ui/missed-bar";
import { Empty, Failed } from "../../ui/states";
import { useAct } from "../act";
import { useUserIds } from "../user-ids";
import { loadSeats, loadSessions, makeSession, MODERATOR, seatOf, sessionAfter, type ClassSession, type Seat } from "./data";
import { Moderator } from "./moderator";
import { Room } from "./room";
import { Student } from "./student";
import "../../ui/page.css";
import "./class.css";
import "./phone.css";

const PHONES = ["student", "moderator"] as const;

export function Class(): JSX.Element {
  const { person } = useSession();
  const client = trackerClient();
  const sessions = useLiveList<ClassSession, TrackerEvents, "sessionUpdated">({
    id: person.username,
    load: loadSessions(person),
    key: ({ id }) => id,
    events: { upsert: ["sessionUpdated"] },
    item: (update, _event, find) => sessionAfter(update, find),
    of: client,
  });
  const [chosen, setChosen] = useState<number | null>(null);
  const session = sessions.items.find(({ id }) => id === chosen) ?? sessions.items.find(({ status }) => status === "active") ?? sessions.items[0];
  // It stays the same session when it is closed.
  if (session && session.id !== chosen) setChosen(session.id);
  const ids = useUserIds(useMemo(() => [person, MODERATOR], [person]));
  const userId = ids.get(person.username) ?? null;
  const [shown, setShown] = useState<(typeof PHONES)[number]>("student");
  const seats = useSeats(person, session);
  const { act, isBusy, error } = useAct();
  const [loads, setLoads] = useState(0);

  const loadAnew = () => {
    // The student's list loads when it begins.
    setLoads(loads + 1);
    return Promise.all([sessions.reload(), seats.reload()]);
  };
  const make = async () => {
    await makeSession();
    await sessions.reload();
  };
  const { reload: reloadSessions } = sessions;
  const id = session?.id;
  // It may have been opened or closed before the phones were in its room.
  useEffect(() => {
    if (id !== undefined) reloadSessions().catch(() => undefined);
  }, [id, reloadSessions]);

  return (
    <div className="class-page" style={hueOf("class")}>
      <Heading of="class">
        A student and the moderator, each with a socket of their own. Django publishes to the group <code>session.{session?.id ?? "…"}</code>; both phones are in its
        room.
      </Heading>
      <MissedBar of={client} load={loadAnew} />
      {!session && sessions.status === "error" && (
        <div className="panel">
          <Failed what="The sessions" error={sessions.error} again={sessions.reload} />
        </div>
      )}
      {!session && sessions.status === "ready" && (
        <div className="panel class-empty">
          <Empty>Django has no session yet.</Empty>
          <button type="button" className="primary" aria-disabled={isBusy} onClick={() => void act(make)}>
            Make a session
          </button>
          {error && <p role="alert">{error}</p>}
        </div>
      )}
      {!session && sessions.status === "loading" && (
        <div className="class-stage" aria-busy="true">
          <div className="phone phone-loading" />
          <div className="room room-loading" />
          <div className="phone phone-loading" data-kind="moderator" />
        </div>
      )}
      {session && (
        <>
          <div className="class-tabs" role="group" aria-label="Which phone is shown">
            {PHONES.map((kind) => (
              <button key={kind} type="button" aria-pressed={shown === kind} onClick={() => setShown(kind)}>
                {kind === "student" ? "Student" : "Moderator"}
              </button>
            ))}
          </div>
          <div className="class-stage" data-shown={shown}>
            <Student key={`student-${session.id}-${person.username}`} session={session} person={person} userId={userId} loads={loads} />
            <Room session={session} list={seats} person={person} userId={userId} />
            <Moderator key={`moderator-${session.id}`} session={session} userId={ids.get(MODERATOR.username) ?? null} />
          </div>
        </>
      )}
    </div>
  );
}

/** Everyone who is expected, and who has come. */
function useSeats(person: Person, session: ClassSession | undefined): LiveList<Seat> {
  const id = session?.id ?? 0;
  return useLiveList<Seat, TrackerEvents, "attendanceUpdate">({
    id: `${person.username}-${id}`,
    load: (signal) => (id ? loadSeats(person, id, signal) : Promise.resolve([])),
    key: ({ userId }) => userId,
    events: { upsert: ["attendanceUpdate"] },
    item: (update, _event, find) => seatOf(id, update, find(update.userId)),
    of: trackerClient(),
  });
}
