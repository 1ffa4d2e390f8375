// A work order on the board: who works at it, who looks at it, who types, and buttons that move it.

import { useTyping, type PresentUser } from "@channelgate/react";
import { useLayoutEffect, useRef, useState, type CSSProperties, type JSX, type KeyboardEvent, type SubmitEvent } from "react";

import { Avatar } from "../../ui/avatar";
import { firstName, looksOf, roomOf, STATUSES, TITLES, type Order, type Status } from "./data";
import type { Colleague } from "./colleagues";
import { keepFocus } from "./focus";

export interface CardProps {
  order: Order;
  /** Its place in the column, from 0. */
  row: number;
  /** Who looks at it. */
  viewers: readonly Colleague[];
  isOnline: boolean;
  isBusy: boolean;
  /** The text of the note that is being written. It outlives a move to another column. */
  note: string;
  onNote: (text: string) => void;
  onSave: () => void;
  onMove: (status: Status) => void;
  onOpen: () => void;
  onFocus: () => void;
}

export function Card({ order, row, viewers, isOnline, isBusy, note, onNote, onSave, onMove, onOpen, onFocus }: CardProps): JSX.Element {
  const { id, status, customer, device, text, at, moved } = order;
  const { typing, start, stop } = useTypingOf(id);
  const card = useRef<HTMLLIElement>(null);
  useLayoutEffect(() => keepFocus(card.current, id), [id]);
  const place = STATUSES.indexOf(status);
  // A disabled button would lose the focus.
  const move = (to: Status) => isBusy || onMove(to);
  const onKeyDown = ({ key, shiftKey }: KeyboardEvent) => {
    const next = key === "ArrowRight" ? STATUSES[place + 1] : key === "ArrowLeft" ? STATUSES[place - 1] : undefined;
    if (next && !shiftKey) move(next);
  };
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    stop();
    // Of two at once, the second would not have the first.
    if (note.trim() && !isBusy) onSave();
  };
  const names = typing.map(({ name }) => firstName(name ?? "Somebody"));
  return (
    <li ref={card} className="order" onFocus={onFocus} data-testid={`order-${id}`} data-moved={moved !== null} aria-busy={isBusy} style={{ "--row": row } as CSSProperties}>
      <header className="order-head">
        <button type="button" className="order-open" data-focus="open" aria-keyshortcuts="ArrowLeft ArrowRight" onKeyDown={onKeyDown} onClick={onOpen}>
          <b>{device}</b>
          <small>
            #{id} · {customer}
          </small>
        </button>
        <span className="order-viewers">
          {viewers.slice(0, 2).map(({ id: viewer, name }) => (
            <Avatar key={viewer} seed={viewer} name={`${firstName(name)} looks at it`} size={24} looks={looksOf(name)} ring />
          ))}
        </span>
      </header>
      <p className="order-text">{text.split("\n").at(-1)}</p>
      <p className="order-people">
        {order.technician === null ? (
          <span className="order-nobody">Nobody has taken it</span>
        ) : (
          <>
            <Avatar seed={order.technician} name="" size={24} looks={looksOf(order.technicianName)} ring={isOnline ? "good" : "muted"} />
            <span>{firstName(order.technicianName ?? `#${order.technician}`)}</span>
          </>
        )}
        <span className="order-typing" data-testid={`typing-${id}`} role="status">
          {names.length > 0 && (
            <>
              <i aria-hidden="true" />
              {names.join(", ")} {names.length > 1 ? "are" : "is"} typing
            </>
          )}
        </span>
      </p>
      <form className="order-note" onSubmit={submit}>
        <input
          data-focus="note"
          data-testid={`note-${id}`}
          aria-label={`Note for ${device}`}
          placeholder="Write a note"
          maxLength={160}
          autoComplete="off"
          value={note}
          onBlur={stop}
          onChange={({ target }) => {
            start();
            onNote(target.value);
          }}
        />
      </form>
      <footer className="order-moves">
        {STATUSES.filter((other) => other !== status).map((other) => (
          <button key={other} type="button" className="quiet" data-testid={`order-move-${other}-${id}`} data-focus={other} aria-disabled={isBusy} onClick={() => move(other)}>
            {STATUSES.indexOf(other) < place && <span aria-hidden="true">← </span>}
            <span className="visually-hidden">{device}: </span>
            {TITLES[other]}
            {STATUSES.indexOf(other) > place && <span aria-hidden="true"> →</span>}
          </button>
        ))}
      </footer>
      {/* A ring around the card that fades, once for each change. */}
      <ChangeRing at={at} isMoved={moved !== null} />
    </li>
  );
}

function ChangeRing({ at, isMoved }: { at: number; isMoved: boolean }): JSX.Element | null {
  const [first] = useState(at);
  return at !== first || isMoved ? <span key={at} className="order-ring" aria-hidden="true" /> : null;
}

/** Who types at an order. The server does not say in which room somebody types, so the message names it. */
function useTypingOf(id: number): { typing: readonly PresentUser[]; start: () => void; stop: () => void } {
  const room = roomOf(id);
  const { typing, start, stop } = useTyping(room, {
    of: "repair-shop",
    user: (data) => {
      const { userId, userName = null, message } = data as { userId: number | string; userName?: string | null; message?: string | null };
      // Who stops, stops everywhere; that event has no message.
      return message === undefined || message === room ? { id: `${userId}`, name: userName, status: null, data } : null;
    },
  });
  return { typing, start: () => start(room), stop };
}
