// What the page shows: visitors, employees, and who was at the door, from Django's REST and from the feed.

import { useLiveList } from "@channelgate/react";
import { feedClient, useClients, useEmployees, useFeedEvent } from "@channelgate/react/feed";
import type { Client, Employee, EmployeeAttendance } from "@channelgate/react/feed";
import { useState } from "react";

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

type Row = Omit<EmployeeAttendance, "employee_id"> & { employee: number };

/** Times at the door that are kept. */
const KEPT = 100;

/** The list of times at the door: Django may delete one of them, and then the one before counts. */
export const passesOf = (person: Person) => ({
  load: async (signal: AbortSignal): Promise<EmployeeAttendance[]> =>
    (await django<Row[]>(person, "employee-attendances/", { signal })).map(({ employee, ...pass }) => ({ ...pass, employee_id: employee })),
  key: ({ employee_id, datetime }: EmployeeAttendance) => `${employee_id} ${Date.parse(datetime)}`,
  events: { upsert: ["employee_attendance"], remove: ["employee_attendance_delete"] },
  limit: KEPT,
});

/** Of each employee the latest time at the door. */
export function latest(passes: readonly EmployeeAttendance[]): ReadonlyMap<number, EmployeeAttendance> {
  const all = new Map<number, EmployeeAttendance>();
  for (const pass of passes) {
    const known = all.get(pass.employee_id);
    if (!known || Date.parse(known.datetime) <= Date.parse(pass.datetime)) all.set(pass.employee_id, pass);
  }
  return all;
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
  const passes = useLiveList({ ...passesOf(person), of: feedClient() });
  const turns = useTurns();
  const reload = async () => {
    await Promise.all([visitors.reload(), employees.reload(), passes.reload()]);
  };
  return { visitors, employees, passes, turns, reload, client: feedClient() };
}
