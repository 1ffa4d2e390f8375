// Rooms and topics: how many users each one has, in the order of first asking.

export type Kind = "room" | "topic";

export interface Wanted {
  readonly kind: Kind;
  readonly name: string;
  readonly users: number;
}

/** One user more or less; the first appends it. Without users it is there until it is taken back. */
export function counted(wanted: readonly Wanted[], kind: Kind, name: string, change: 1 | -1): readonly Wanted[] {
  const found = wanted.find((one) => one.kind === kind && one.name === name);
  return found
    ? wanted.map((one) => (one === found ? { ...one, users: one.users + change } : one))
    : [...wanted, { kind, name, users: 1 }];
}
