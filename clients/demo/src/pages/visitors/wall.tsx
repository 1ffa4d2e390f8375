// The wall of visitors: a portrait in each frame, with the number of visits.

import type { Client } from "@channelgate/react/feed";
import type { JSX } from "react";

import { Avatar } from "../../ui/avatar";
import { Pulse, Tick } from "../../ui/changed";
import { Empty, Failed } from "../../ui/states";
import { shortTime } from "../../ui/time";
import { fits, lastDoor, lastSeen, type Filter, type useVisitors } from "./data";
import { useFrames } from "./frames";

/** Frames that are always there, and the most: then who was not seen for longest makes room. */
const LEAST = 18;
const MOST = 60;

const WORDS: Record<Client["gender"], string> = { female: "Woman", male: "Man", unknown: "Person" };

export function Wall({ visitors, turns, filter }: Pick<ReturnType<typeof useVisitors>, "visitors" | "turns"> & { filter: Filter }): JSX.Element {
  const { items, status, error, reload } = visitors;
  const shown = items.filter((visitor) => fits(filter, visitor));
  const latest = shown
    .map((visitor) => ({ id: visitor.id, turn: turns.of.get(visitor.id) ?? 0, at: lastSeen(visitor) }))
    .sort((a, b) => b.turn - a.turn || b.at - a.at)
    .slice(0, MOST)
    .map(({ id }) => id)
    .sort((a, b) => a - b);
  const frames = useFrames(latest, LEAST);
  const found = new Map(shown.map((visitor) => [visitor.id, visitor]));
  if (status === "error") return <Failed what="The visitors" error={error} again={reload} />;
  return (
    <>
      <ul className="wall" aria-label="Visitors" aria-busy={status === "loading"}>
        {frames.map((id, index) => {
          const visitor = id === null ? undefined : found.get(id);
          return visitor ? <Portrait key={id} visitor={visitor} isNew={turns.came.has(visitor.id)} /> : <Frame key={`frame ${index}`} isLoading={status === "loading"} />;
        })}
      </ul>
      {status === "ready" && latest.length === 0 && <Empty>{items.length === 0 ? "Nobody has come yet. The next visitor appears here at once." : "Nobody of this kind is here now."}</Empty>}
      {shown.length > MOST && <p className="wall-more muted">{`${MOST} of ${shown.length}: those who were seen last`}</p>}
    </>
  );
}

function Portrait({ visitor, isNew }: { visitor: Client; isNew: boolean }): JSX.Element {
  const { id, gender, age, visit_count: count } = visitor;
  const who = `${WORDS[gender]}, ${age}`;
  const seen = shortTime(visitor.last_seen);
  // Where somebody was seen since the page was opened; until then who it is.
  const door = lastDoor(visitor);
  return (
    <li className={isNew ? "portrait came" : "portrait"} title={`${who}, last seen at ${seen}`} data-testid={`visitor-${id}`}>
      <Pulse of={count} isNew={isNew}>
        <Avatar seed={id} name="" size={72} looks={{ gender, age }} />
      </Pulse>
      <span className="visits" title={count === 1 ? "1 visit" : `${count} visits`}>
        <Tick value={count} />
        <span className="visually-hidden">{count === 1 ? " visit" : " visits"}</span>
      </span>
      <strong>{`Visitor ${id}`}</strong>
      <span className="muted">
        <Tick value={door ? `${door}, ${seen}` : who} />
      </span>
    </li>
  );
}

function Frame({ isLoading }: { isLoading: boolean }): JSX.Element {
  return (
    <li className="portrait" aria-hidden="true">
      <span className={isLoading ? "frame skeleton" : "frame"} />
      {isLoading && (
        <>
          <strong className="skeleton">Visitor</strong>
          <span className="skeleton">Woman, 31</span>
        </>
      )}
    </li>
  );
}
