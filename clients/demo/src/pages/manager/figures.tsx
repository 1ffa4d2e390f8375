// Five figures: four of the package's component, and one that only this page knows.

import { Figures } from "@channelgate/react/components";
import { RealTimeAttendance } from "@channelgate/react/dashboard";
import { useState, type JSX } from "react";

import { useSession } from "../../session";
import { TestIds } from "../../ui/test-ids";
import { loadDay, ofToday, stateOf, type CheckIn } from "./data";

const figure = (fact: HTMLElement): string => `figure-${fact.querySelector("[data-cg=term]")?.textContent.toLowerCase()}`;

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
    <TestIds part="fact" idOf={figure} className="figures panel">
      {/* Until it has loaded, everyone would be absent. */}
      <RealTimeAttendance heading="" total={isLoaded ? known : 0} load={load} />
      <Figures figures={[{ term: "Left", value: left }]} />
    </TestIds>
  );
}
