// One work order in the drawer, as the package's hook keeps it.

import { useRealTimeWorkOrder } from "@channelgate/react/repair-shop";
import { useState, type JSX } from "react";

import type { Person } from "../../session";
import { Avatar } from "../../ui/avatar";
import { Drawer } from "../../ui/drawer";
import { clock } from "../../ui/time";
import { change, firstName, loadOrder, looksOf, roomOf, STATUSES, TECHNICIANS, TITLES, workOrderOf, type Order, type Status } from "./data";
import type { Colleague } from "./colleagues";

export interface DetailsProps {
  /** As it was when the drawer was opened. */
  order: Order;
  person: Person;
  ids: ReadonlyMap<string, number>;
  viewers: readonly Colleague[];
  onClose: () => void;
}

export function Details({ order, person, ids, viewers, onClose }: DetailsProps): JSX.Element {
  const [initial] = useState(() => workOrderOf(order));
  const { workOrder, isUpdating, isConnected } = useRealTimeWorkOrder(initial, { load: (signal) => loadOrder(person, order.id, signal) });
  const [error, setError] = useState<string | null>(null);
  const ask = (body: Parameters<typeof change>[2]) => {
    setError(null);
    change(person, order.id, body).catch((thrown: Error) => setError(thrown.message));
  };
  const { status, device, customer_name: customer, description = "", technician_id: technician = null, updated_at: at } = workOrder ?? initial;
  return (
    <Drawer title={device ?? `Order ${order.id}`} onClose={onClose}>
      <div className="details">
        <p className="details-live" data-live={isConnected} data-updating={isUpdating}>
          <i aria-hidden="true" />
          {isUpdating ? "It has just changed" : isConnected ? "Live" : "Not connected"}
          {at && <time dateTime={at}>{clock(new Date(at))}</time>}
        </p>
        <dl>
          <dt>Customer</dt>
          <dd>{customer}</dd>
          <dt>Order</dt>
          <dd>#{order.id}</dd>
          <dt>Group</dt>
          <dd>
            <code>{roomOf(order.id)}</code>
          </dd>
        </dl>
        <fieldset className="details-choice">
          <legend>Status</legend>
          {STATUSES.map((one: Status) => (
            <button key={one} type="button" aria-pressed={status === one} onClick={() => ask({ status: one })}>
              {TITLES[one]}
            </button>
          ))}
        </fieldset>
        <fieldset className="details-choice">
          <legend>Technician</legend>
          {TECHNICIANS.map((one) => {
            const { username, name } = one;
            const id = ids.get(username);
            return (
              <button key={username} type="button" disabled={id === undefined} aria-pressed={technician !== null && technician === id} onClick={() => id !== undefined && ask({ technician: id })}>
                {id !== undefined && <Avatar seed={id} name="" size={22} looks={one} />}
                {firstName(name)}
              </button>
            );
          })}
          <button type="button" aria-pressed={technician === null} onClick={() => ask({ technician: null })}>
            Nobody
          </button>
        </fieldset>
        <section>
          <h3>Notes</h3>
          <ul className="details-notes">
            {description
              .split("\n")
              .filter(Boolean)
              .map((line, index) => (
                <li key={`${index}-${line}`}>{line}</li>
              ))}
          </ul>
        </section>
        <section>
          <h3>Looks at it, too</h3>
          <p className="details-viewers">
            {viewers.map(({ id, name }) => (
              <span key={id}>
                <Avatar seed={id} name="" size={28} looks={looksOf(name)} ring />
                {firstName(name)}
              </span>
            ))}
            {viewers.length === 0 && <span className="muted">Nobody else</span>}
          </p>
        </section>
        <p className="details-error" role="alert">
          {error}
        </p>
      </div>
    </Drawer>
  );
}
