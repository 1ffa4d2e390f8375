// What the page shows: visitors, employees, and who was at the door, from Django's REST and from the feed.

import { feedClient, useClients, useEmployees, useFeedEvent, useMissed } from "@channelgate/react/feed";
import type { Client, Employee, EmployeeAttendance } from "@channelgate/react/feed";
import { useEffect, useState } from "react";

import { django } from "../../django";
import { useSession, type Person } from "../../session";

export type Filter = "all" | "visitors" | "employees" | "new" | "returning" | "women" | "men";

const FITS: Record<Filter, (visitor: Client) => boolean> = {
  all: () => true,
  visitors: () => true,
  employees: () => false,
  new: ({ visit_count }) => visit_count <= 1,
  returning: ({ visit_count }) => visit_count > 1,
  women: ({ gender }) => gender === "female",
  men: ({ gender }) => gender === "male",
};

export const fits = (filter: Filter, visitor: Client): boolean => FITS[filter](visitor);

/** The list of REST has no visits; those since come as events. */
const loadVisitors =
  (person: Person) =>
  async (signal: AbortSignal): Promise<Client[]> =>
    (await django<Omit<Client, "visit_histories">[]>(person, "clients/", { signal })).map((visitor) => ({ ...visitor, visit_histories: [] }));

/** When a visitor was last seen, in milliseconds since 1970. */
export function lastSeen({ last_seen, visit_histories }: Client): number {
  return Math.max(Date.parse(last_seen), ...visit_histories.map(({ datetime }) => Date.parse(datetime)));
}

export const lastDoor = ({ visit_histories }: Client): string | null => {
  const last = visit_histories.at(-1);
  return last ? `Door ${last.device_id}` : null;
};

/** Of each employee the latest time at the door. */
export type AtTheDoor = ReadonlyMap<number, EmployeeAttendance>;

type Row = Omit<EmployeeAttendance, "employee_id"> & { employee: number };

/** What comes late does not replace what is newer: the answer of a load and events may overtake each other. */
function merged(before: AtTheDoor, passes: readonly EmployeeAttendance[]): AtTheDoor {
  const all = new Map(before);
  for (const pass of passes) {
    const known = all.get(pass.employee_id);
    if (!known || Date.parse(known.datetime) <= Date.parse(pass.datetime)) all.set(pass.employee_id, pass);
  }
  return all;
}

const loadPasses = async (person: Person, signal?: AbortSignal): Promise<EmployeeAttendance[]> =>
  (await django<Row[]>(person, "employee-attendances/", signal && { signal })).map(({ employee, ...pass }) => ({ ...pass, employee_id: employee }));

/** `passes` is null until they are loaded. */
export function useAtTheDoor(person: Person): { passes: AtTheDoor | null; load: (signal?: AbortSignal) => Promise<void> } {
  const [passes, setPasses] = useState<AtTheDoor>(new Map());
  const [isLoaded, setLoaded] = useState(false);
  const load = async (signal?: AbortSignal) => {
    const rows = await loadPasses(person, signal);
    setPasses((before) => merged(before, rows));
  };
  useEffect(() => {
    const life = new AbortController();
    loadPasses(person, life.signal)
      .then((rows) => setPasses((before) => merged(before, rows)))
      // The list of employees fails, too, and the page says so.
      .catch(() => undefined)
      .finally(() => life.signal.aborted || setLoaded(true));
    return () => life.abort();
  }, [person]);
  useFeedEvent("employee_attendance", (pass) => setPasses((before) => merged(before, [pass])));
  useFeedEvent("employee_attendance_delete", ({ employee_id, datetime }) =>
    setPasses((before) => {
      const all = new Map(before);
      if (all.get(employee_id)?.datetime === datetime) all.delete(employee_id);
      return all;
    }),
  );
  useMissed((_, signal) => load(signal));
  return { passes: isLoaded ? passes : null, load };
}

export interface Turns {
  /** Rises with each event. */
  readonly last: number;
  /** When each visitor was seen last, since the page was opened. */
  readonly of: ReadonlyMap<number, number>;
  /** Who came since. */
  readonly came: ReadonlySet<number>;
}

function useTurns(): Turns {
  const [turns, setTurns] = useState<Turns>({ last: 0, of: new Map(), came: new Set() });
  const seen = (id: number) => setTurns(({ last, of, came }) => ({ last: last + 1, of: new Map(of).set(id, last + 1), came }));
  useFeedEvent("client_create", ({ id }) => {
    setTurns((before) => ({ ...before, came: new Set(before.came).add(id) }));
    seen(id);
  });
  useFeedEvent("client_update", ({ id }) => seen(id));
  useFeedEvent("client_visit_create", ({ client }) => seen(client));
  useFeedEvent("client_delete", ({ id }) =>
    setTurns(({ last, of, came }) => ({ last, of: new Map([...of].filter(([other]) => other !== id)), came: new Set([...came].filter((other) => other !== id)) })),
  );
  return turns;
}

export function useVisitors() {
  const { person } = useSession();
  const visitors = useClients({ load: loadVisitors(person) });
  const employees = useEmployees({ load: (signal) => django<Employee[]>(person, "employees/", { signal }) });
  const { passes, load } = useAtTheDoor(person);
  const turns = useTurns();
  const reload = async () => {
    await Promise.all([visitors.reload(), employees.reload(), load()]);
  };
  return { visitors, employees, passes, turns, reload, client: feedClient() };
}
