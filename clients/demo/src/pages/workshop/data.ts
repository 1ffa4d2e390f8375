// Work orders and notifications, as Django's REST and its events have them.

import type { Notification, WorkOrder } from "@channelgate/react/repair-shop";

import { django } from "../../django";
import { PEOPLE, type Person } from "../../session";

export const STATUSES = ["pending", "in_progress", "completed"] as const;
export type Status = (typeof STATUSES)[number];

export const TITLES: Record<Status, string> = { pending: "Pending", in_progress: "In progress", completed: "Completed" };

export interface Order {
  readonly id: number;
  readonly status: Status;
  readonly customer: string;
  readonly device: string;
  readonly text: string;
  readonly technician: number | null;
  readonly technicianName: string | null;
  /** When Django changed it last, in milliseconds since 1970. */
  readonly at: number;
  /** When an event moved it to its column; null: it was loaded there. */
  readonly moved: number | null;
}

/** A row of the REST API; an event has `technician_id` instead of `technician`. */
interface Row {
  readonly id: number;
  readonly status: string;
  readonly customer_name: string;
  readonly device: string;
  readonly description: string;
  readonly technician?: number | null;
  readonly technician_id?: number | null;
  readonly technician_name?: string | null;
  readonly updated_at: string;
}

function orderOf(row: Row): Order {
  const { id, status, customer_name: customer, device, description: text, technician, technician_id, technician_name: technicianName = null, updated_at } = row;
  return { id, status: status as Status, customer, device, text, technician: technician ?? technician_id ?? null, technicianName, at: Date.parse(updated_at), moved: null };
}

/** The order after an event. */
export function orderAfter(data: { workOrder: WorkOrder }, find: (id: number) => Order | undefined): Order {
  const order = orderOf(data.workOrder as unknown as Row);
  const before = find(order.id);
  return { ...order, moved: before && before.status === order.status ? before.moved : order.at };
}

export const loadOrders = async (person: Person, signal: AbortSignal): Promise<Order[]> =>
  (await django<Row[]>(person, "repairs/work-orders/", { signal })).map(orderOf);

/** The order in the form of the package's hook. */
export async function loadOrder(person: Person, id: number, signal?: AbortSignal): Promise<WorkOrder> {
  const { technician, ...row } = await django<Row>(person, `repairs/work-orders/${id}/`, signal && { signal });
  return { ...row, technician_id: technician ?? null };
}

export const workOrderOf = ({ id, status, customer, device, text, technician, at }: Order): WorkOrder => ({
  id,
  status,
  customer_name: customer,
  device,
  description: text,
  technician_id: technician,
  updated_at: new Date(at).toISOString(),
});

/** Changes an order at Django, which publishes what is new to the order's room and to its technician. */
export const change = (person: Person, id: number, body: { status?: Status; technician?: number | null; description?: string }): Promise<unknown> =>
  django(person, `repairs/work-orders/${id}/`, { method: "PATCH", body });

export const makeOrder = (person: Person): Promise<unknown> =>
  django(person, "repairs/work-orders/", { method: "POST", body: { customer_name: "Chen Wei", device: "ThinkPad X1", description: "Does not charge" } });

/** The texts of notes without this one, which is saved; what was typed meanwhile stays. */
export function withoutNote(notes: ReadonlyMap<number, string>, id: number, saved: string): ReadonlyMap<number, string> {
  return notes.get(id) === saved ? new Map([...notes].filter(([other]) => other !== id)) : notes;
}

/** Notes are lines of the description: the newest ones are kept. */
const NOTES = 6;

export const withNote = (text: string, person: Person, note: string): string =>
  [...text.split("\n").filter(Boolean), `${firstName(person.name)}: ${note}`].slice(-NOTES).join("\n");

/** Adds a note to the order as it is now: the board may not have got the last one yet. */
export async function addNote(person: Person, id: number, note: string): Promise<unknown> {
  const { description = "" } = await loadOrder(person, id);
  return change(person, id, { description: withNote(description, person, note) });
}

export interface Note extends Notification {
  readonly user: number;
}

/** The notifications of a user. */
export const loadNotes = async (person: Person, user: number, signal?: AbortSignal): Promise<Note[]> =>
  (await django<Note[]>(person, "repairs/notifications/", signal && { signal })).filter((note) => note.user === user);

export const markRead = (person: Person, notes: readonly Note[]): Promise<unknown> =>
  Promise.all(notes.filter(({ read }) => !read).map(({ id }) => django(person, `repairs/notifications/${id}/`, { method: "PATCH", body: { read: true } })));

export const TECHNICIANS: readonly Person[] = PEOPLE.filter(({ role }) => role === "technician");

export const firstName = (name: string): string => name.split(" ")[0] ?? name;

/** What the face of somebody shows whom the page knows by name only. */
export const looksOf = (name: string | null): Person | undefined => PEOPLE.find((person) => person.name === name);

/** The room of an order, which is the group that Django publishes to. */
export const roomOf = (id: number): string => `work_order_${id}`;
