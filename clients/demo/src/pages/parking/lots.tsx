// Six lots as bars that fill.

import type { LiveList } from "@channelgate/react";
import type { CSSProperties, JSX } from "react";

import { useSession } from "../../session";
import { Tick, useChanges } from "../../ui/changed";
import { Empty, Failed } from "../../ui/states";
import { useAct } from "../act";
import { cancel, isIn, reserve, type Lot, type Reservation } from "./data";

const SKELETONS = 6;

export interface LotsProps {
  lots: LiveList<Lot>;
  reservations: LiveList<Reservation>;
  isSubscribed: boolean;
}

export function Lots({ lots: { items, status, error, reload }, reservations, isSubscribed }: LotsProps): JSX.Element {
  const isLoading = status === "loading" || reservations.status === "loading";
  const isEmpty = status === "ready" && items.length === 0;
  if (status === "error" || isEmpty) {
    return <div className="panel">{isEmpty ? <Empty>There are no lots yet. A new one appears here at once.</Empty> : <Failed what="The lots" error={error} again={reload} />}</div>;
  }
  return (
    <ul className="lots" aria-label="Lots" aria-busy={isLoading} data-live={isSubscribed}>
      {isLoading
        ? Array.from({ length: SKELETONS }, (_, index) => <Skeleton key={index} />)
        : items.map((lot) => <LotCard key={lot.id} lot={lot} mine={reservations.items.filter((one) => isIn(lot, one))} reload={reservations.reload} />)}
    </ul>
  );
}

interface LotCardProps {
  lot: Lot;
  /** The person's reservations in this lot. */
  mine: readonly Reservation[];
  /** Loads the person's reservations. */
  reload: () => Promise<void>;
}

function LotCard({ lot, mine, reload }: LotCardProps): JSX.Element {
  const { person } = useSession();
  const { id, name, capacity, occupied } = lot;
  const { act, isBusy, error } = useAct();
  const changes = useChanges(occupied);
  const changesOfMine = useChanges(mine.length);
  const free = Math.max(0, capacity - occupied);
  const last = mine.at(-1);
  const isOff = isBusy || (!last && free === 0);
  const press = () => {
    if (isOff) return;
    void act(async () => {
      await (last ? cancel(person, last) : reserve(person, lot));
      // Its notification comes only if its topic is subscribed to.
      await reload();
    });
  };
  return (
    <li className="lot panel" data-testid={`lot-${id}`} data-full={free === 0}>
      {changes > 0 && <span key={changes} className="lot-flash" />}
      <div className="lot-head">
        <h3>{name}</h3>
        {mine.length > 0 && <span key={changesOfMine} className={changesOfMine > 0 ? "lot-mine came" : "lot-mine"}>{mine.length === 1 ? "Your place" : `${mine.length} places of yours`}</span>}
      </div>
      <div className="lot-row">
        <strong>
          <Tick value={free} testId={`lot-free-${id}`} />
        </strong>
        <span className="muted">{free === 0 ? `Full, ${capacity} places` : `free of ${capacity}`}</span>
        <button type="button" className={last && "quiet"} aria-disabled={isOff} onClick={press} aria-label={`${last ? "Give back" : "Reserve"} a place at ${name}`}>
          {last ? "Give back" : "Reserve"}
        </button>
      </div>
      <div
        className="lot-bar"
        role="meter"
        aria-label={`${name}: places taken`}
        aria-valuemin={0}
        aria-valuemax={capacity}
        aria-valuenow={Math.min(occupied, capacity)}
        style={{ "--taken": Math.min(1, occupied / capacity), "--places": capacity } as CSSProperties}
      >
        <span />
      </div>
      {error && (
        <p className="lot-error" role="alert">
          {error}
        </p>
      )}
    </li>
  );
}

function Skeleton(): JSX.Element {
  return (
    <li className="lot panel" aria-hidden="true">
      <div className="lot-head">
        <h3>
          <span className="skeleton">Old Market</span>
        </h3>
      </div>
      <div className="lot-row">
        <strong>
          <span className="skeleton">10</span>
        </strong>
      </div>
      <div className="lot-bar" />
    </li>
  );
}
