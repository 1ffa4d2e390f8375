// The day as a strip: a face for each check-in, late ones below the line.

import { useEffect, useRef, useState, useSyncExternalStore, type CSSProperties, type JSX } from "react";

import { Avatar } from "../../ui/avatar";
import { Pulse } from "../../ui/changed";
import { shortTime } from "../../ui/time";
import { nameOf, stateOf, wasLate, type CheckIn } from "./data";
import { place, spanOf, type Placed } from "./place";

const ABOVE = 4;
const BELOW = 2;
/** Narrower ones have smaller faces. */
const NARROW = 600;

const MINUTE = 60_000;
const minute = (): number => Math.floor(Date.now() / MINUTE) * MINUTE;
function everyMinute(listener: () => void): () => void {
  const timer = setInterval(listener, 5_000);
  return () => clearInterval(timer);
}

export interface StripProps {
  /** Which hours the day has is not known yet. */
  isLoading: boolean;
  checkIns: readonly CheckIn[];
  /** Who has checked in since the page was opened. */
  isNew: (employee: string) => boolean;
  onOpen: (employee: string) => void;
}

export function Strip({ isLoading, checkIns, isNew, onOpen }: StripProps): JSX.Element {
  const root = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(900);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    observer.observe(root.current!);
    return () => observer.disconnect();
  }, []);
  const now = useSyncExternalStore(everyMinute, minute);
  const size = width < NARROW ? 24 : 30;
  const pitch = size + 3;
  const span = spanOf(checkIns, now, width);
  const found = new Map(checkIns.filter(({ check_in_time }) => check_in_time).map((one) => [one.employee_id, one]));
  const placed = (isLate: boolean): readonly Placed[] =>
    place(
      [...found.values()].filter((one) => wasLate(one) === isLate).map((one) => [one.employee_id, Date.parse(one.check_in_time!)] as const),
      span,
      width,
      pitch,
      isLate ? BELOW : ABOVE,
    );
  const xOf = (at: number): CSSProperties => ({ "--x": `${((at - span.from) / (span.to - span.from)) * 100}%` }) as CSSProperties;
  const faces = (isLate: boolean) =>
    placed(isLate).map(({ id, x, level }) => <Dot key={id} checkIn={found.get(id)!} x={x} y={level * pitch} size={size} isNew={isNew(id)} isRight={x > width / 2} onOpen={onOpen} />);
  return (
    <div className="strip" ref={root} data-narrow={width < NARROW}>
      <ul className="strip-side" aria-label="Came on time">
        {faces(false)}
      </ul>
      <div className="strip-line" aria-hidden="true">
        {!isLoading &&
          span.hours.map((hour) => (
            <span key={hour} className="strip-hour" style={xOf(hour)}>
              {shortTime(new Date(hour).toJSON())}
            </span>
          ))}
        {!isLoading && <span className="strip-now" style={xOf(now)} />}
      </div>
      <ul className="strip-side strip-late" aria-label="Came late">
        {faces(true)}
      </ul>
    </div>
  );
}

interface DotProps {
  checkIn: CheckIn;
  x: number;
  y: number;
  size: number;
  isNew: boolean;
  /** Its name is shown to the left. */
  isRight: boolean;
  onOpen: (employee: string) => void;
}

function Dot({ checkIn, x, y, size, isNew, isRight, onOpen }: DotProps): JSX.Element {
  const { employee_id: id, check_in_time, check_out_time, timestamp } = checkIn;
  const name = nameOf(checkIn);
  const state = stateOf(checkIn);
  const times = `${shortTime(check_in_time)}${check_out_time ? ` to ${shortTime(check_out_time)}` : ""}`;
  return (
    <li className={isNew ? "dot came" : "dot"} style={{ "--x": `${x}px`, "--y": `${y}px`, "--size": `${size}px` } as CSSProperties}>
      <button type="button" data-testid={`check-in-${id}`} data-state={state} aria-label={`${name}, ${times}`} onClick={() => onOpen(id)}>
        <Pulse of={timestamp} isNew={isNew}>
          <Avatar seed={id} name="" size={size} />
        </Pulse>
        <span className="dot-name" data-right={isRight} aria-hidden="true">
          {name}
          <small>{times}</small>
        </span>
      </button>
    </li>
  );
}
