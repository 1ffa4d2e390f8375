// Five figures: four of the package's component, and one that only this page knows.

import { Figures } from "@channelgate/react/components";
import { RealTimeAttendance } from "@channelgate/react/dashboard";
import { useState, type JSX } from "react";

import { useSession } from "../../session";
import { TestIds } from "../../ui/test-ids";
import { loadDay, ofToday, stateOf, type CheckIn } from "./data";

/** The package counts those who have left as present: here they have checked in. */
const LABELS = { present: "Checked in", total: "Employees" };
const NAMES: Readonly<Record<string, string>> = { "Checked in": "present", Late: "late", Absent: "absent", Employees: "total", Left: "left" };

const figure = (fact: HTMLElement): string => `figure-${NAMES[fact.querySelector("[data-cg=term]")?.textContent ?? ""]}`;

/** Until the component has loaded the day, everyone would be absent: nothing is shown then. */
export function DayFigures({ items }: { items: readonly CheckIn[] }): JSX.Element {
  const { person } = useSession();
  const [isLoaded, setLoaded] = useState(false);
  const known = items.filter(({ date }) => date !== null).length;
  const left = ofToday(items).filter((one) => stateOf(one) === "left").length;
  const load = async (signal: AbortSignal) => {
    const rows = await loadDay(person)(signal);
    setLoaded(true);
    return rows;
  };
  return (
    <TestIds part="fact" idOf={figure} className={isLoaded ? "figures panel" : "figures panel is-loading"}>
      <RealTimeAttendance heading="" labels={LABELS} total={known} load={load} />
      <Figures figures={[{ term: "Left", value: left }]} />
    </TestIds>
  );
}
