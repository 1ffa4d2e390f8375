// Rooms and topics, in the order of first asking. One without users is there until it is taken back.

export type Kind = "room" | "topic";

export interface Wanted {
  readonly kind: Kind;
  readonly name: string;
  readonly users: number;
}

export type Interests = Map<string, Wanted>;
