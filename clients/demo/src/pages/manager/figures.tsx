// Five figures: four of the package's component, and one that only this page knows.

import { Figures } from "@channelgate/react/components";
import { RealTimeAttendance } from "@channelgate/react/dashboard";
import type { JSX } from "react";

import { useSession } from "../../session";
import { loadDay, stateOf, type CheckIn } from "./data";

/** The package counts those who have left as present: here they have checked in. */
const LABELS = { present: "Checked in", late: "Late", absent: "Absent", total: "Employees" };
const UNKNOWN = Object.values(LABELS).map((term) => ({ term, value: null }));

/** `staff`: all employees as of today; null until they are loaded. */
export function DayFigures({ staff }: { staff: readonly CheckIn[] | null }): JSX.Element {
  const { person } = useSession();
  return (
    <div className="figures panel">
      {/* Its absent employees are the total minus those who have come: before the total is known that is below zero. */}
      {staff ? <RealTimeAttendance heading="" labels={LABELS} total={staff.length} load={loadDay(person)} /> : <Figures figures={UNKNOWN} />}
      <Figures figures={[{ term: "Left", value: staff && staff.filter((one) => stateOf(one) === "left").length }]} />
    </div>
  );
}
