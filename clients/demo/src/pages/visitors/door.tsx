// Employees at the door: when a device saw each of them last.

import type { Employee, EmployeeAttendance } from "@channelgate/react/feed";
import type { JSX } from "react";

import { Avatar } from "../../ui/avatar";
import { Pulse, Tick } from "../../ui/changed";
import { Empty, Failed } from "../../ui/states";
import { clock } from "../../ui/time";
import { latest, type useVisitors } from "./data";

/** Rows while the list is on its way. */
const SKELETONS = 6;

export function Door({ employees, passes }: Pick<ReturnType<typeof useVisitors>, "employees" | "passes">): JSX.Element {
  const failed = [employees, passes].find(({ status }) => status === "error");
  if (failed) return <Failed what="The employees" error={failed.error} again={failed.reload} />;
  const isLoading = [employees, passes].some(({ status }) => status === "loading");
  const seen = latest(passes.items);
  if (!isLoading && employees.items.length === 0) return <Empty>No employees yet.</Empty>;
  return (
    <ul className="door" aria-label="Employees" aria-busy={isLoading}>
      {isLoading
        ? Array.from({ length: SKELETONS }, (_, index) => (
            <li key={index} aria-hidden="true">
              <span className="frame skeleton" />
              <strong className="skeleton">First Lastname</strong>
              <span className="skeleton">Door 1 at 10:00:00</span>
            </li>
          ))
        : employees.items.map((employee) => <Person key={employee.id} employee={employee} pass={seen.get(employee.id)} />)}
    </ul>
  );
}

function Person({ employee: { id, first_name, last_name }, pass }: { employee: Employee; pass: EmployeeAttendance | undefined }): JSX.Element {
  const at = pass ? clock(Date.parse(pass.datetime)) : null;
  return (
    <li data-testid={`employee-${id}`}>
      <Pulse of={pass?.datetime}>
        <Avatar seed={`employee ${id} ${first_name}`} name="" size={40} />
      </Pulse>
      <strong>{`${first_name} ${last_name}`}</strong>
      <span className="muted">{pass ? <Tick value={`Door ${pass.device_id} at ${at}`} /> : "Not seen today"}</span>
      {pass && <span className="score muted" title="How sure the camera is">{`${Math.round(pass.score * 100)} %`}</span>}
    </li>
  );
}
