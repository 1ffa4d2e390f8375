import type { JSX } from "react";
import { useState } from "react";

import { Heading, hueOf } from "../../ui/heading";
import { MissedBar } from "../../ui/missed-bar";
import { fits, useVisitors, type Filter } from "./data";
import { Door } from "./door";
import { Wall } from "./wall";
import "../../ui/page.css";
import "./visitors.css";

const FILTERS: readonly (readonly [Filter, string])[] = [
  ["all", "All"],
  ["visitors", "Visitors"],
  ["employees", "Employees"],
  ["new", "New"],
  ["returning", "Returning"],
  ["women", "Women"],
  ["men", "Men"],
];

export function Visitors(): JSX.Element {
  const { visitors, employees, passes, turns, reload, client } = useVisitors();
  const [filter, setFilter] = useState<Filter>("all");
  const count = (of: Filter): number => {
    const found = visitors.items.filter((visitor) => fits(of, visitor)).length;
    return of === "all" ? found + employees.items.length : of === "employees" ? employees.items.length : found;
  };
  return (
    <div className="view visitors" style={hueOf("visitors")}>
      <Heading of="visitors">
        Cameras see who comes through the door. Django publishes each visit to the group <code>broadcast</code>, and every open browser gets it.
      </Heading>
      <MissedBar of={client} load={reload} />
      <fieldset className="chips filters">
        <legend className="visually-hidden">Who is shown</legend>
        {FILTERS.map(([of, title]) => (
          <label key={of} className="chip">
            <input type="radio" name="filter" value={of} checked={filter === of} onChange={() => setFilter(of)} />
            {title}
            <span className="chip-count">{count(of)}</span>
          </label>
        ))}
      </fieldset>
      <div className="visitors-panels" data-filter={filter}>
        {filter !== "employees" && (
          <section className="panel" aria-labelledby="wall-title">
            <div className="panel-head">
              <h2 id="wall-title">On the wall</h2>
              <span className="muted">The number is how often somebody came</span>
            </div>
            <Wall key={filter} visitors={visitors} turns={turns} filter={filter} />
          </section>
        )}
        {(filter === "all" || filter === "employees") && (
          <section className="panel" aria-labelledby="door-title">
            <div className="panel-head">
              <h2 id="door-title">Employees at the door</h2>
            </div>
            <Door employees={employees} passes={passes} />
          </section>
        )}
      </div>
    </div>
  );
}
