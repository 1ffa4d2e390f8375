// Puts together what three kinds of events say of the others at the shop.

import type { PresentUser } from "@channelgate/react";
import type { UserActivityUpdate, UserOnline } from "@channelgate/react/repair-shop";

export interface Colleague {
  readonly id: string;
  readonly name: string;
  /** The order that they look at. */
  readonly order: number | null;
}

/** Who has come and gone, by their ids. */
export type Activity = ReadonlyMap<string, UserActivityUpdate>;

/** `online`: who came online; `present`: what they say of themselves; `activity`: what the node sends to admins and managers. */
export function colleaguesOf(online: readonly UserOnline[], present: readonly PresentUser[], activity: Activity, self: number | null): readonly Colleague[] {
  // Until it is known who this person is, each of them may be this person.
  if (self === null) return [];
  const all = new Map<string, Colleague>();
  const at = new Map<string, string>();
  const set = (id: string, name: string | null, order: number | null, time: unknown) => {
    all.set(id, { id, name: name ?? `User ${id}`, order });
    at.set(id, `${time}`);
  };
  for (const { userId, userName, timestamp } of online) set(`${userId}`, userName, null, timestamp);
  for (const { id, name, status, data } of present) {
    set(id, name, status === "viewing" ? Number(data["workOrderId"]) : null, data["timestamp"]);
    if (status === "left") all.delete(id);
  }
  // Of two events about somebody the later one counts.
  for (const { userId, userName, status, timestamp } of activity.values()) {
    const id = `${userId}`;
    if ((at.get(id) ?? "") > timestamp) continue;
    if (status === "online") set(id, userName, all.get(id)?.order ?? null, timestamp);
    else all.delete(id);
  }
  all.delete(`${self}`);
  return [...all.values()];
}

/** Colleagues with other ids than these. Empty until all of these are known, so that none is shown twice. */
export const othersThan = (ids: readonly (number | undefined)[], colleagues: readonly Colleague[]): readonly Colleague[] =>
  ids.includes(undefined) ? [] : colleagues.filter((one) => !ids.some((id) => `${id}` === one.id));
