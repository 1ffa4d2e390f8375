import { NotificationCenter, parkingClient } from "@channelgate/react/parking";
import { useCallback, useEffect, useMemo, useRef, type JSX } from "react";

import { choose, LOTS, useTopics } from "../../parking-topics";
import { useSession } from "../../session";
import { Heading, hueOf } from "../../ui/heading";
import { MissedBar } from "../../ui/missed-bar";
import { useUserIds } from "../user-ids";
import { useLots, useReservations } from "./data";
import { Lots } from "./lots";
import { TokenRing } from "./token-ring";
import { Topics } from "./topics";
import "../../ui/page.css";
import "./parking.css";

const CENTRE = { noNotifications: "Reserve a place: the notification appears here." };

export function Parking(): JSX.Element {
  const { person } = useSession();
  const id = useUserIds(useMemo(() => [person], [person])).get(person.username);
  const topics = useTopics();
  const isSubscribed = topics.includes(LOTS);
  const lots = useLots(person, isSubscribed);
  const reservations = useReservations(person);
  const { reload: reloadLots } = lots;
  const { reload: reloadReservations } = reservations;
  const reload = useCallback(() => Promise.all([reloadLots(), reloadReservations()]), [reloadLots, reloadReservations]);
  const former = useRef(topics);
  useEffect(() => {
    const isMore = topics.some((name) => !former.current.includes(name));
    former.current = topics;
    // What happened before it was subscribed to has not come as an event.
    if (isMore) reload().catch(() => undefined);
  }, [topics, reload]);
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
            <Topics chosen={topics} onChange={choose} />
          </section>
          <NotificationCenter className="centre" topics={topics.filter((name) => name !== LOTS)} limit={30} labels={CENTRE} />
        </div>
      </div>
    </div>
  );
}
