// What happened, and what was sent and shown: the quiet line above the river.

import { useState, type JSX } from "react";

import { useControl, useStream } from "../stream/provider";
import { keep, kept } from "../ui/storage";
import { useStore } from "../ui/store";
import { Icon } from "../ui/icons";
import { Pause, Speed } from "./activity";

const number = new Intl.NumberFormat("en");

export function Facts({ onList }: { onList: () => void }): JSX.Element {
  const stream = useStream();
  const control = useControl();
  const fact = useStore(stream.line);
  const count = useStore(stream.nodes).length;
  const deliver = count === 1 ? "one node delivers" : `${count === 0 ? "" : `${count} `}nodes deliver`;
  const { total, arrivals } = useStore(stream.totals);
  const came = Object.values(arrivals).reduce((sum, one) => sum + one, 0);
  return (
    <section className="facts" aria-label="What happened">
      <p className={`fact ${fact?.isBad ? "is-bad" : ""}`} role="status" data-testid="fact" data-at={fact?.at ?? ""}>
        <span key={fact?.at ?? 0}>{fact?.text ?? `Django publishes, ${deliver} to this browser. ${control ? "Kill one: every event is accounted for." : ""}`}</span>
      </p>
      <dl className="counts" data-waiting={total.waiting}>
        {control ? (
          <>
            <Count name="Sent" testid="sent" value={total.sent} title="Events that Django has sent and this browser should get. A tab that was hidden counts the last minute." />
            <Count name="Shown" testid="shown" value={total.shown} title="Events that came through a socket" />
            <Count name="Anew" testid="loaded-anew" value={total.loadedAnew + total.waiting} title="Reported as missed: loaded from Django where it is shown, or waiting for that" isOptional />
            <Count name="Lost" testid="lost" value={total.lost} title="Not shown, and no client reported it" isBad={total.lost > 0} />
          </>
        ) : (
          <Count name="Shown" testid="shown" value={came} title="Events that came through a socket" />
        )}
      </dl>
      <div className="foot-controls">
        <Speed where="foot" />
        <Pause />
        <button type="button" className="quiet icon-button" aria-label="Events: the last 50, and the last facts" title="Events" data-testid="events" onClick={onList}>
          <Icon of="list" size={16} />
        </button>
      </div>
    </section>
  );
}

function Count({ name, testid, value, title, isBad = false, isOptional = false }: { name: string; testid: string; value: number; title: string; isBad?: boolean; isOptional?: boolean }): JSX.Element {
  return (
    <div className={`count ${isBad ? "is-bad" : ""} ${isOptional ? "is-optional" : ""} ${value === 0 ? "is-zero" : ""}`} title={title}>
      <dt>{name}</dt>
      <dd data-testid={testid} data-value={value}>
        {number.format(value)}
      </dd>
    </div>
  );
}

const SEEN = "hint";

/** For the first visit. */
export function useHint(): [boolean, () => void] {
  const [isShown, setShown] = useState(() => kept("localStorage", SEEN) === null);
  return [
    isShown,
    () => {
      keep("localStorage", SEEN, "seen");
      setShown(false);
    },
  ];
}
