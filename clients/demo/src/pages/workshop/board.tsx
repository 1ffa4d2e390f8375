// Three columns of work orders; on a phone one of them at a time.

import { useRoom, type LiveList } from "@channelgate/react";
import { useToasts } from "@channelgate/react/components";
import { useState, type CSSProperties, type JSX } from "react";

import type { Person } from "../../session";
import { Tick } from "../../ui/changed";
import { Empty, Failed } from "../../ui/states";
import { Card } from "./card";
import { addNote, change, roomOf, STATUSES, TITLES, withoutNote, type Order, type Status } from "./data";
import type { Colleague } from "./colleagues";

export interface BoardProps {
  list: LiveList<Order>;
  person: Person;
  userId: number | null;
  colleagues: readonly Colleague[];
  onOpen: (order: Order) => void;
}

/** Skeletons of a column. */
const SKELETONS = [1, 2, 3];

export function Board({ list, person, userId, colleagues, onOpen }: BoardProps): JSX.Element {
  const [shown, setShown] = useState<Status>("pending");
  const [notes, setNotes] = useState<ReadonlyMap<number, string>>(new Map());
  const [busy, setBusy] = useState<ReadonlySet<number>>(new Set());
  /** The order that was moved here or has the focus: where one column is shown, it is that of this order. */
  const [followed, setFollowed] = useState<Pick<Order, "id" | "status"> | null>(null);
  const now = list.items.find(({ id }) => id === followed?.id);
  if (now && now.status !== followed?.status) {
    setFollowed(now);
    setShown(now.status);
  }
  const { show } = useToasts("repair-shop");

  const write = (id: number, text: string) => setNotes((before) => new Map(before).set(id, text));
  /** Asks Django; the card changes when the event comes. */
  const ask = async (id: number, what: () => Promise<unknown>) => {
    setBusy((before) => new Set(before).add(id));
    try {
      await what();
      return true;
    } catch (thrown) {
      show({ kind: "error", title: "The order was not changed", body: (thrown as Error).message });
      return false;
    } finally {
      setBusy((before) => new Set([...before].filter((other) => other !== id)));
    }
  };
  const isOnline = (technician: number | null) => technician === userId || colleagues.some(({ id }) => id === `${technician}`);

  if (list.status === "error") {
    return (
      <div className="panel">
        <Failed what="The work orders" error={list.error} again={list.reload} />
      </div>
    );
  }
  const isLoading = list.status === "loading";
  return (
    <>
      {list.items.map(({ id }) => (
        <Room key={id} id={id} />
      ))}
      <div className="board-tabs" role="group" aria-label="Which column is shown">
        {STATUSES.map((status) => (
          <button key={status} type="button" aria-pressed={shown === status} onClick={() => setShown(status)}>
            {TITLES[status]} <Tick value={list.items.filter((order) => order.status === status).length} />
          </button>
        ))}
      </div>
      <div className="board" data-shown={shown} aria-busy={isLoading}>
        {STATUSES.map((status) => {
          const orders = list.items.filter((order) => order.status === status);
          return (
            <section key={status} className="board-column" data-status={status} data-testid={`order-column-${status}`} aria-labelledby={`column-${status}`}>
              <h2 id={`column-${status}`}>
                {TITLES[status]} <Tick value={isLoading ? "–" : orders.length} />
              </h2>
              {isLoading ? (
                SKELETONS.map((row) => <div key={row} className="order skeleton" aria-hidden="true" />)
              ) : (
                <ul style={{ "--rows": orders.length } as CSSProperties}>
                  {orders.map((order, row) => (
                    <Card
                      key={order.id}
                      row={row}
                      order={order}
                      viewers={colleagues.filter((one) => one.order === order.id)}
                      isOnline={isOnline(order.technician)}
                      isBusy={busy.has(order.id)}
                      note={notes.get(order.id) ?? ""}
                      onNote={(text) => write(order.id, text)}
                      onSave={() => {
                        const note = notes.get(order.id) ?? "";
                        void ask(order.id, () => addNote(person, order.id, note.trim())).then((isSaved) => isSaved && setNotes((before) => withoutNote(before, order.id, note)));
                      }}
                      onMove={(to) => {
                        setFollowed(order);
                        void ask(order.id, () => change(person, order.id, { status: to }));
                      }}
                      onOpen={() => onOpen(order)}
                      onFocus={() => setFollowed(order)}
                    />
                  ))}
                </ul>
              )}
              {!isLoading && orders.length === 0 && <Empty>No order is {TITLES[status].toLowerCase()}.</Empty>}
            </section>
          );
        })}
      </div>
    </>
  );
}

/** Every order on the board has a room, and this page is in all of them. */
function Room({ id }: { id: number }): null {
  useRoom(roomOf(id), "repair-shop");
  return null;
}
