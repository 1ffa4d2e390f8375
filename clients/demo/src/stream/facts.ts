// One sentence or two about what happened, from counts and times only.

import type { Tally } from "./types";

export interface Away {
  readonly title: string;
  readonly from: number;
  /** null: it still is. */
  readonly to: number | null;
}

const list = new Intl.ListFormat("en-GB", { type: "conjunction" });
const number = new Intl.NumberFormat("en");

/** "Parking and Class". */
export const named = (titles: readonly string[]): string => list.format([...new Set(titles)]);

export const counted = (n: number, one: string, many = `${one}s`): string => `${number.format(n)} ${n === 1 ? one : many}`;

const seconds = (ms: number): string => `${Math.max(0.1, ms / 1_000).toFixed(1)} s`;

/** "Sent 9, shown 7, loaded anew 2, lost 0." */
export function counts({ sent, shown, loadedAnew, waiting, lost, failedToPublish }: Tally): string {
  const parts = [`Sent ${number.format(sent)}`, `shown ${number.format(shown)}`, `loaded anew ${number.format(loadedAnew)}`, `lost ${number.format(lost)}`];
  if (waiting > 0) parts.splice(3, 0, `waiting ${number.format(waiting)}`);
  if (failedToPublish > 0) parts.push(`not published ${number.format(failedToPublish)}, which Django knows`);
  return `${parts.join(", ")}.`;
}

/** `absences`: when connections were lost; `gaps`: when systems reported a miss, over an open connection or after it. */
export function sentence(what: string, absences: readonly Away[], gaps: readonly Away[], tally: Tally): string {
  const parts = [what, absence(absences, gaps, tally), counts(tally)];
  if (tally.lost > 0) parts.push(`No client reported ${tally.lost === 1 ? "it" : "them"}.`);
  return parts.filter(Boolean).join(" ");
}

function absence(absences: readonly Away[], gaps: readonly Away[], { waiting }: Tally): string {
  const still = absences.filter(({ to }) => to === null).map(({ title }) => title);
  const back = absences.filter(({ to, title }) => to !== null && !still.includes(title));
  const end = waiting > 0 ? `${counted(waiting, "event")} of that time ${waiting === 1 ? "is" : "are"} not loaded yet` : gaps.some(({ to }) => to === null) ? "what changed meanwhile is not loaded yet" : "what changed meanwhile is loaded anew where it is shown";
  const parts: string[] = [];
  if (back.length > 0) {
    const titles = [...new Set(back.map(({ title }) => title))];
    const longest = Math.max(...back.map(({ from, to }) => to! - from));
    parts.push(`${named(titles)} ${titles.length === 1 ? "was" : "were"} away for ${titles.length === 1 ? "" : "up to "}${seconds(longest)}${still.length === 0 ? `; ${end}` : ""}.`);
  }
  if (still.length > 0) parts.push(`${named(still)} ${new Set(still).size === 1 ? "is" : "are"} not back yet.`);
  if (absences.length > 0) return parts.join(" ");
  if (gaps.length > 0) return `No connection was lost, but ${named(gaps.map(({ title }) => title))} may have missed something; ${end}.`;
  return "No connection was lost.";
}
