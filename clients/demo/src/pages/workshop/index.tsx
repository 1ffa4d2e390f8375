// Workshop: a board of work orders over Socket.IO, with the people who are at them.

import { useClient, useLiveList } from "@channelgate/react";
import { RealTimeToasts, type RepairShopEvents } from "@channelgate/react/repair-shop";
import { useEffect, useMemo, useState, type JSX } from "react";

import { addressOf } from "../../route";
import { addressAs, useSession, type Person } from "../../session";
import { Avatar } from "../../ui/avatar";
import { Heading, hueOf } from "../../ui/heading";
import { MissedBar } from "../../ui/missed-bar";
import { useAct } from "../act";
import { useUserIds } from "../user-ids";
import { Bell, Notes } from "./bell";
import { Board } from "./board";
import { firstName, loadOrders, looksOf, makeOrder, orderAfter, TECHNICIANS, type Order } from "./data";
import { Details } from "./details";
import { othersThan, type Colleague } from "./colleagues";
import { useColleagues, useSayPresence } from "./people";
import "../../ui/page.css";
import "./workshop.css";
import "./order.css";

type Update = "work_order_updated" | "work_order_assignment_update";

export function Workshop(): JSX.Element {
  const { person } = useSession();
  const client = useClient("repair-shop");
  const list = useLiveList<Order, RepairShopEvents, Update>({
    of: "repair-shop",
    load: (signal) => loadOrders(person, signal),
    key: ({ id }) => id,
    events: { upsert: ["work_order_updated", "work_order_assignment_update"] },
    item: (data, _event, find) => orderAfter(data, find),
    // A technician gets some changes twice: in the order's room, and to themselves.
    version: ({ at }) => at,
  });
  const ids = useUserIds(useMemo(() => [person, ...TECHNICIANS], [person]));
  const userId = ids.get(person.username) ?? null;
  const colleagues = useColleagues(userId);
  const [open, setOpen] = useState<Order | "notes" | null>(null);
  const viewing = typeof open === "object" ? (open?.id ?? null) : null;
  const orders = list.items.map(({ id }) => id);
  useSayPresence(orders, viewing);
  const { reload } = list;
  const rooms = orders.join();
  // An order may have changed after it was loaded, and before the board was in its room.
  useEffect(() => {
    if (rooms) reload().catch(() => undefined);
  }, [rooms, reload]);
  const close = () => setOpen(null);
  const { act, isBusy, error } = useAct();
  const make = async () => {
    await makeOrder(person);
    await list.reload();
  };
  return (
    <div className="workshop-page" style={hueOf("workshop")}>
      <div className="workshop">
        <Heading of="workshop" aside={<Bell person={person} onClick={() => setOpen("notes")} />}>
          Move an order, write a note, open a second window. Django publishes to the group of each order, <code>work_order_…</code>, and to its technician,{" "}
          <code>user_…</code>.
        </Heading>
        <MissedBar of={client} load={list.reload} />
        <People person={person} ids={ids} userId={userId} colleagues={colleagues} />
        {list.status === "ready" && list.items.length === 0 ? (
          <div className="panel workshop-empty">
            <p className="muted">No customer has brought anything yet.</p>
            <button type="button" className="primary" aria-disabled={isBusy} onClick={() => void act(make)}>
              Take in an order
            </button>
            {error && <p role="alert">{error}</p>}
          </div>
        ) : (
          <>
            <Board list={list} person={person} userId={userId} colleagues={colleagues} onOpen={setOpen} />
            {list.status !== "error" && (
              <p className="workshop-keys">
                <kbd>←</kbd> <kbd>→</kbd> move the order that has the focus, <kbd>Enter</kbd> opens it.
              </p>
            )}
          </>
        )}
      </div>
      {/* Outside of the container, in which some browsers would place what is fixed to the window. */}
      <RealTimeToasts className={open === "notes" ? "toasts-away" : open ? "toasts-beside" : undefined} />
      {open === "notes" && userId !== null && <Notes person={person} userId={userId} onClose={close} />}
      {open !== null && open !== "notes" && (
        <Details key={open.id} order={open} person={person} ids={ids} viewers={colleagues.filter(({ order }) => order === open.id)} onClose={close} />
      )}
    </div>
  );
}

/** Who opens the second window: a technician who is not this person. */
const otherThan = (person: Person): Person => TECHNICIANS.find(({ username }) => username !== person.username)!;

/** What the node sends to a role about the others. */
const TOLD: Record<string, string> = {
  technician: "The node tells technicians which of them is here.",
  manager: "The node tells managers who comes and goes.",
};
const TOLD_OTHERS = "Technicians and managers see who comes and goes. You see who types, and who looks at an order.";

function People({ person, ids, userId, colleagues }: { person: Person; ids: ReadonlyMap<string, number>; userId: number | null; colleagues: readonly Colleague[] }): JSX.Element {
  const { become } = useSession();
  const known = TECHNICIANS.filter(({ username }) => username !== person.username).map((technician) => ({ technician, id: ids.get(technician.username) }));
  const others = othersThan(known.map(({ id }) => id), colleagues);
  const other = otherThan(person);
  const knowsAll = person.role in TOLD;
  const openWindow = () => {
    window.open(addressAs(other, addressOf("workshop")), `channelgate-${other.username}`, "popup,width=560,height=860");
  };
  return (
    <section className="panel people" aria-label="People at the shop">
      <ul>
        <Who id={userId} name={person.name} text="you" isHere />
        {known.map(({ technician, id }) => {
          const here = colleagues.find((one) => one.id === `${id}`);
          return <Who key={technician.username} id={id ?? null} name={technician.name} text={here ? doing(here, knowsAll) : "not seen"} isHere={!!here} />;
        })}
        {others.map((one) => (
          <Who key={one.id} id={one.id} name={one.name} text={doing(one, knowsAll)} isHere />
        ))}
      </ul>
      <button type="button" className="people-window" data-testid="second-window" onClick={openWindow}>
        Second window as {firstName(other.name)}
      </button>
      <p className="muted">
        {TOLD[person.role] ?? TOLD_OTHERS}{" "}
        {person.role !== "technician" && (
          <button type="button" className="people-become" onClick={() => become(TECHNICIANS[0]!)}>
            Become {firstName(TECHNICIANS[0]!.name)}
          </button>
        )}
      </p>
    </section>
  );
}

/** Other roles get no event when somebody goes: they know only where somebody was seen. */
const doing = ({ order }: Colleague, knowsAll: boolean): string => (order !== null ? `looks at #${order}` : knowsAll ? "at the board" : "seen at the board");

function Who({ id, name, text, isHere }: { id: number | string | null; name: string; text: string; isHere: boolean }): JSX.Element {
  return (
    <li className="who" data-here={isHere}>
      {id === null ? <span className="who-face" /> : <Avatar seed={id} name="" size={36} looks={looksOf(name)} ring={isHere ? "good" : "muted"} />}
      <span>
        <b>{firstName(name)}</b>
        <small>{text}</small>
      </span>
    </li>
  );
}
