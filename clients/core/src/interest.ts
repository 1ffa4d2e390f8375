// Rooms and topics: how many users each one has, in the order of first asking.

export type Kind = "room" | "topic";

export interface Wanted {
  readonly kind: Kind;
  readonly name: string;
  readonly users: number;
  /** When it is taken back; Infinity while it has users. */
  readonly until: number;
}

/** One user more or less. The first appends it, and without users it goes at `until`. */
export function counted(wanted: readonly Wanted[], kind: Kind, name: string, change: 1 | -1, until: number): readonly Wanted[] {
  const isIt = (one: Wanted) => one.kind === kind && one.name === name;
  if (!wanted.some(isIt)) return change > 0 ? [...wanted, { kind, name, users: 1, until: Infinity }] : wanted;
  return wanted.map((one) => {
    if (!isIt(one)) return one;
    const users = one.users + change;
    return { kind, name, users, until: users > 0 ? Infinity : until };
  });
}
