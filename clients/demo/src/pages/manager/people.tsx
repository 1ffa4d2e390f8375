// All employees as a table; on a phone as cards.

import type { JSX } from "react";

import { Avatar } from "../../ui/avatar";
import { Tick } from "../../ui/changed";
import { shortTime } from "../../ui/time";
import { nameOf, STATES, stateOf, type CheckIn } from "./data";

const COLUMNS = ["Employee", "Office", "State", "In", "Out", "Device"];
const SKELETONS = 8;

export interface PeopleProps {
  items: readonly CheckIn[];
  isLoading: boolean;
  onOpen: (employee: string) => void;
}

// The roles are written down: a table that is shown as cards would lose them.
export function People({ items, isLoading, onOpen }: PeopleProps): JSX.Element {
  return (
    <table className="staff" role="table" aria-label="Employees" aria-busy={isLoading}>
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map((column) => (
            <th key={column} role="columnheader" scope="col">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {isLoading
          ? Array.from({ length: SKELETONS }, (_, index) => (
              <tr key={index} role="row" aria-hidden="true">
                <td role="cell" colSpan={COLUMNS.length}>
                  <span className="skeleton">First Lastname of an employee</span>
                </td>
              </tr>
            ))
          : items.map((one) => <Row key={one.employee_id} one={one} onOpen={onOpen} />)}
      </tbody>
    </table>
  );
}

function Row({ one, onOpen }: { one: CheckIn; onOpen: (employee: string) => void }): JSX.Element {
  const { employee_id: id, office, device, check_in_time, check_out_time } = one;
  const state = stateOf(one);
  return (
    <tr role="row" data-state={state}>
      <th role="rowheader" scope="row">
        <button type="button" className="staff-name" onClick={() => onOpen(id)}>
          <Avatar seed={id} name="" size={32} />
          <span>
            {nameOf(one)}
            <small className="muted">{id}</small>
          </span>
        </button>
      </th>
      <td role="cell" data-name="Office">
        {office ?? "–"}
      </td>
      <td role="cell" data-name="State">
        <span className="state" data-state={state}>
          <Tick value={STATES[state]} />
        </span>
      </td>
      <td role="cell" data-name="In">
        {shortTime(check_in_time)}
      </td>
      <td role="cell" data-name="Out">
        <Tick value={shortTime(check_out_time)} />
      </td>
      <td role="cell" data-name="Device">
        {one.device ? <Tick value={`${device}`} /> : "–"}
      </td>
    </tr>
  );
}
