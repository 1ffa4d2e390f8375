import { NotificationCenter, parkingClient } from "@channelgate/react/parking";
import { useEffect, useState, type JSX } from "react";

import { choose, LOTS, useTopics } from "../../parking-topics";
import { useSession, userIdOf, type Person } from "../../session";
import { Heading, hueOf } from "../../ui/heading";
import { MissedBar } from "../../ui/missed-bar";
import { useLots, useReservations } from "./data";
import { Lots } from "./lots";
import { TokenRing } from "./token-ring";
import { Topics } from "./topics";
import "../../ui/page.css";
import "./parking.css";

const CENTRE = { noNotifications: "Reserve a place: the notification appears here." };

export function Parking(): JSX.Element {
  const { person } = useSession();
  const id = useUserId(person);
  const topics = useTopics();
  const isSubscribed = topics.includes(LOTS);
  const lots = useLots(person, isSubscribed);
  const reservations = useReservations(person);
  const reload = () => Promise.all([lots.reload(), reservations.reload()]);
  const change = (next: readonly string[]) => {
    choose(next);
    // What happened in the lots meanwhile was not subscribed to.
    if (next.includes(LOTS) && !isSubscribed) void lots.reload().catch(() => undefined);
  };
  return (
    <div className="view parking" style={hueOf("parking")}>
      <Heading of="parking">
        Six lots fill and empty. Django publishes that to the group <code>notifications</code>, and what concerns you alone to <code>{`user_${id ?? "…"}_notifications`}</code>.
      </Heading>
      <MissedBar of={parkingClient()} load={reload} />
      <div className="parking-columns">
        <section aria-labelledby="lots-title">
          <h2 id="lots-title" className="visually-hidden">
            Lots
          </h2>
          <Lots lots={lots} reservations={reservations} isSubscribed={isSubscribed} />
          <p className="lots-note muted" role="status">
            {isSubscribed ? "" : "Not subscribed to parking_lot: the bars stand still until you subscribe again."}
          </p>
        </section>
        <div className="parking-side">
          <section className="panel parking-socket" aria-label="This page's socket">
            <TokenRing />
            <Topics chosen={topics} onChange={change} />
          </section>
          <NotificationCenter className="centre" topics={topics.filter((name) => name !== LOTS)} limit={30} labels={CENTRE} />
        </div>
      </div>
    </div>
  );
}

/** The person's id in Django, when it is known. */
function useUserId(person: Person): number | undefined {
  const [known, setKnown] = useState<{ person: Person; id: number }>();
  useEffect(() => {
    let isOver = false;
    userIdOf(person).then(
      (id) => isOver || setKnown({ person, id }),
      // Without a login the page says what failed.
      () => undefined,
    );
    return () => {
      isOver = true;
    };
  }, [person]);
  return known?.person === person ? known.id : undefined;
}
