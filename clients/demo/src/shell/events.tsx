// The last events as a list, and one of them in full: for the keyboard what a click on a dot is for the mouse.

import { useState, type JSX } from "react";

import { useStream } from "../stream/provider";
import type { Item } from "../stream/records";
import { systemOf } from "../systems";
import { Drawer } from "../ui/drawer";
import { useStore } from "../ui/store";
import { exactTime } from "../ui/time";
import "./events.css";

export function EventList({ onPick, onClose }: { onPick: (key: string) => void; onClose: () => void }): JSX.Element {
  const stream = useStream();
  const newest = useStore(stream.items);
  const facts = useStore(stream.facts);
  // A list that moves by itself cannot be read, nor its rows be hit.
  const [shown, show] = useState({ items: newest, facts });
  const { items } = shown;
  const isOld = newest[0]?.key !== items[0]?.key || facts.at(-1) !== shown.facts.at(-1);
  return (
    <Drawer title="Events" onClose={onClose}>
      <button type="button" className="quiet event-refresh" disabled={!isOld} onClick={() => show({ items: newest, facts })}>
        {isOld ? "Show what came since" : "Nothing came since"}
      </button>
      {shown.facts.length > 0 && (
        <>
          <h3 className="events-head">What happened</h3>
          <ol className="fact-list">
            {[...shown.facts].reverse().map(({ at, text, isBad }, index) => (
              <li key={`${at} ${index}`} className={isBad ? "is-bad" : ""}>
                <time>{exactTime(at)}</time>
                {text}
              </li>
            ))}
          </ol>
        </>
      )}
      <h3 className="events-head">The last {items.length || ""} events</h3>
      {items.length === 0 && <p className="muted">None yet.</p>}
      <ol className="event-list" data-testid="river-dot-list">
        {items.map((item) => (
          <li key={item.key}>
            <button type="button" onClick={() => onPick(item.key)} data-n={item.n ?? ""}>
              <span className={`event-dot hue-${systemOf(item.system).hue} ${item.arrival ? "" : "is-ring"}`} />
              <span className="event-name">
                {item.event}
                <small>{systemOf(item.system).title}</small>
              </span>
              <span className="event-fate">{fateOf(item)}</span>
            </button>
          </li>
        ))}
      </ol>
    </Drawer>
  );
}

function fateOf({ arrival, fate }: Item): string {
  if (arrival) return [arrival.at === null ? "" : `${Math.max(0, arrival.came - arrival.at)} ms`, arrival.node ?? ""].filter(Boolean).join(" · ");
  return fate === "anew" ? "loaded anew" : fate === "waiting" ? "missed, not loaded yet" : fate === "lost" ? "lost" : "on its way";
}

export function EventDetails({ of, onBack, onClose }: { of: string; onBack: (() => void) | null; onClose: () => void }): JSX.Element {
  const stream = useStream();
  // Its other side may come later.
  useStore(stream.items);
  const item = stream.records.find(of);
  if (!item) {
    return (
      <Drawer title="Event" onClose={onClose}>
        <p className="muted">It is not remembered any more.</p>
      </Drawer>
    );
  }
  const { arrival, sent, system, event, n } = item;
  const at = sent?.at ?? arrival?.at ?? null;
  return (
    <Drawer title={event} onClose={onClose}>
      <div className={`event-details hue-${systemOf(system).hue}`} data-testid="event-details">
        {onBack && (
          <button type="button" className="quiet" onClick={onBack}>
            All events
          </button>
        )}
        <dl className="event-times">
          <dt>System</dt>
          <dd>
            {systemOf(system).title}, {systemOf(system).protocol}
          </dd>
          {n !== null && (
            <>
              <dt>Number</dt>
              <dd>{n}</dd>
            </>
          )}
          {at !== null && (
            <>
              <dt>Django sent it</dt>
              <dd>{exactTime(at)}</dd>
            </>
          )}
          <dt>It came</dt>
          <dd>{arrival ? `${exactTime(arrival.came)}${arrival.node ? ` through ${arrival.node}` : ""}` : fateOf(item)}</dd>
          {arrival && at !== null && (
            <>
              <dt>It took</dt>
              <dd>{Math.max(0, arrival.came - at)} ms</dd>
            </>
          )}
        </dl>
        {sent && <Json title={`What Django sent to the group ${sent.group}`} of={sent.message} />}
        {arrival && <Json title="What this socket got" of={arrival.frame} />}
      </div>
    </Drawer>
  );
}

function Json({ title, of }: { title: string; of: unknown }): JSX.Element {
  return (
    <figure className="json">
      <figcaption>{title}</figcaption>
      {/* It may scroll: the keyboard has to reach it. */}
      <pre tabIndex={0} role="group" aria-label={title}>
        {JSON.stringify(of, null, 2)}
      </pre>
    </figure>
  );
}
