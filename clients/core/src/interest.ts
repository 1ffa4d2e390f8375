// Rooms and topics: how many users each one has, in the order of first asking.

export type Kind = "room" | "topic";

export interface Wanted {
  readonly kind: Kind;
  readonly name: string;
  readonly users: number;
}

export type Interests = Map<string, Wanted>;

/** One user more or less. Without users it is there until it is taken back. The map itself changes: pages may want thousands. */
export function count(wanted: Interests, kind: Kind, name: string, change: 1 | -1): void {
  const key = `${kind} ${name}`;
  wanted.set(key, { kind, name, users: (wanted.get(key)?.users ?? 0) + change });
}
