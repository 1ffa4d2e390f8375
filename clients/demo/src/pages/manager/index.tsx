import { useClient } from "@channelgate/react";
import { RealTimeNotification } from "@channelgate/react/dashboard";
import { useState, type JSX } from "react";

import { useSession } from "../../session";
import { Drawer } from "../../ui/drawer";
import { Heading, hueOf } from "../../ui/heading";
import { MissedBar } from "../../ui/missed-bar";
import { Empty, Failed } from "../../ui/states";
import { asOfToday, nameOf, useDay } from "./data";
import { EmployeeDetails } from "./employee";
import { DayFigures } from "./figures";
import { People } from "./people";
import { Strip } from "./strip";
import "../../ui/page.css";
import "./manager.css";
import "./people.css";

export function Manager(): JSX.Element {
  const { person } = useSession();
  const day = useDay(person);
  const client = useClient("dashboard");
  const [loads, setLoads] = useState(0);
  const [opened, setOpened] = useState<string | null>(null);
  const [isAnnounced, setAnnounced] = useState(false);
  const [atFirst, setAtFirst] = useState<ReadonlySet<string> | null>(null);
  const items = asOfToday(day.items);
  const staff = items.filter(({ date }) => date !== null);
  const today = staff.filter(({ check_in_time }) => check_in_time);
  // Who is there when the page has loaded does not come now.
  if (day.status === "ready" && !atFirst) setAtFirst(new Set(today.map(({ employee_id }) => employee_id)));
  // The figures have a list of their own, which loads when it begins: until then they are unknown.
  const reload = () => {
    setLoads(loads + 1);
    return day.reload();
  };
  const shown = items.find(({ employee_id }) => employee_id === opened);
  const isLoading = day.status === "loading";
  return (
    <div className="view manager" style={hueOf("manager")}>
      <Heading of="manager">
        Who has checked in today. Django publishes each record to the group <code>attendance_updates</code>; every manager who has this page open gets it.
      </Heading>
      <MissedBar of={client} load={reload} />
      <DayFigures key={loads} staff={day.status === "ready" ? staff : null} />
      {day.status === "error" ? (
        <section className="panel">
          <Failed what="The day" error={day.error} again={reload} />
        </section>
      ) : (
        <>
          <section className="panel" aria-labelledby="day-title" aria-busy={isLoading}>
            <div className="panel-head">
              <h2 id="day-title">The day</h2>
              <span className="muted">Late ones are below the line</span>
              <label className="chip announce">
                <input type="checkbox" checked={isAnnounced} onChange={() => setAnnounced(!isAnnounced)} />
                Announce
              </label>
            </div>
            <Strip isLoading={isLoading} checkIns={today} isNew={(employee) => !!atFirst && !atFirst.has(employee)} onOpen={setOpened} />
          </section>
          <section className="panel" aria-labelledby="people-title">
            <div className="panel-head">
              <h2 id="people-title">Employees</h2>
            </div>
            {day.status === "ready" && day.items.length === 0 ? <Empty>Nobody has checked in yet. The first one appears here at once.</Empty> : <People items={staff} isLoading={isLoading} onOpen={setOpened} />}
          </section>
        </>
      )}
      {(isAnnounced || shown) && <RealTimeNotification employeeId={isAnnounced ? undefined : shown?.employee_id} />}
      {shown && (
        <Drawer title={nameOf(shown)} onClose={() => setOpened(null)}>
          <EmployeeDetails key={shown.employee_id} checkIn={shown} />
        </Drawer>
      )}
    </div>
  );
}
