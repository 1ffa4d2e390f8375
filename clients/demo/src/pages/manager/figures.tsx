// Five figures: four of the package's component, and one that only this page knows.

import { Figures } from "@channelgate/react/components";
import { RealTimeAttendance } from "@channelgate/react/dashboard";
import type { JSX } from "react";

import { useSession } from "../../session";
import { TestIds } from "../../ui/test-ids";
import { loadDay, ofToday, stateOf, type CheckIn } from "./data";

/** The package counts those who have left as present: here they have checked in. */
const LABELS = { present: "Checked in", total: "Employees" };
const NAMES: Readonly<Record<string, string>> = { "Checked in": "present", Late: "late", Absent: "absent", Employees: "total", Left: "left" };

const figure = (fact: HTMLElement): string => `figure-${NAMES[fact.querySelector("[data-cg=term]")?.textContent ?? ""]}`;

export function DayFigures({ items, isLoaded }: { items: readonly CheckIn[]; isLoaded: boolean }): JSX.Element {
  const { person } = useSession();
  const known = items.filter(({ date }) => date !== null).length;
  const left = ofToday(items).filter((one) => stateOf(one) === "left").length;
  return (
    <TestIds part="fact" idOf={figure} className="figures panel">
      <RealTimeAttendance heading="" labels={LABELS} total={known} load={loadDay(person)} />
      <Figures figures={[{ term: "Left", value: isLoaded ? left : null }]} />
    </TestIds>
  );
}
