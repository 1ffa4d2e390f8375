// One employee, live: what `useRealTimeAttendance` says while the drawer is open.

import { useRealTimeAttendance, type Attendance } from "@channelgate/react/dashboard";
import { useState, type JSX } from "react";

import { Avatar } from "../../ui/avatar";
import { Tick } from "../../ui/changed";
import { clock, shortTime } from "../../ui/time";
import { STATES, stateOf, type CheckIn } from "./data";

const KEPT = 8;

interface Update {
  readonly data: Attendance;
  readonly at: Date;
}

/** Updates since the drawer was opened, newest first: of those that come in one frame, the last. */
function useUpdates(employee: string): { updates: readonly Update[]; isConnected: boolean } {
  const { realTimeData, lastUpdate, isConnected } = useRealTimeAttendance(employee);
  const [updates, setUpdates] = useState<readonly Update[]>([]);
  if (realTimeData && lastUpdate && updates[0]?.data !== realTimeData) setUpdates([{ data: realTimeData, at: lastUpdate }, ...updates].slice(0, KEPT));
  return { updates, isConnected };
}

const words = (update: CheckIn): string => {
  if (update.date === null) return "The record was deleted";
  const { check_in_time, check_out_time } = update;
  return check_out_time ? `Checked out at ${shortTime(check_out_time)}` : `In since ${shortTime(check_in_time)}, ${update.device ?? "no device"}`;
};

export function EmployeeDetails({ checkIn }: { checkIn: CheckIn }): JSX.Element {
  const { employee_id: id, office, device, check_in_time, check_out_time } = checkIn;
  const { updates, isConnected } = useUpdates(id);
  const state = stateOf(checkIn);
  const facts: readonly (readonly [string, string])[] = [
    ["Office", office ?? "–"],
    ["In", shortTime(check_in_time)],
    ["Out", shortTime(check_out_time)],
    ["Device", device ?? "–"],
  ];
  return (
    <div className="employee" data-testid="employee-drawer">
      <div className="employee-head">
        <Avatar seed={id} name="" size={64} ring={isConnected ? "good" : "muted"} />
        <div>
          <span className="state" data-state={state}>
            <Tick value={STATES[state]} />
          </span>
          <p className="muted">{id}</p>
        </div>
      </div>
      <dl className="employee-facts">
        {facts.map(([term, value]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>
              <Tick value={value} />
            </dd>
          </div>
        ))}
      </dl>
      <h3>Live</h3>
      {updates.length === 0 ? (
        <p className="muted">{isConnected ? "The next update of this employee appears here." : "Not connected."}</p>
      ) : (
        <ol className="employee-updates">
          {updates.map(({ data, at }) => (
            <li key={at.getTime()} className="came">
              <time className="muted" dateTime={at.toJSON()}>
                {clock(at)}
              </time>
              {words(data)}
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}
