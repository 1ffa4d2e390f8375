// A phone: whose it is, the state of its own socket, and what its screen shows.

import { useStatus, type AnyClient, type Status } from "@channelgate/react";
import type { JSX, ReactNode } from "react";

import type { Person } from "../../session";
import { Avatar } from "../../ui/avatar";

export interface PhoneProps {
  /** "student" or "moderator". */
  kind: string;
  person: Person;
  userId: number | null;
  client: AnyClient;
  children: ReactNode;
}

const WORDS: Record<Status["status"], string> = {
  idle: "not connected",
  connecting: "connecting",
  open: "live",
  reconnecting: "reconnecting",
  offline: "offline",
  unauthorized: "not admitted",
  failed: "not connected",
  closed: "closed",
};

export function Phone({ kind, person, userId, client, children }: PhoneProps): JSX.Element {
  const { status, node } = useStatus(undefined, client);
  return (
    <section className="phone" data-kind={kind} data-testid={`${kind}-phone`} aria-label={`The ${kind}'s phone`}>
      <header className="phone-bar">
        {userId === null ? <span className="phone-face" /> : <Avatar seed={userId} name="" size={36} looks={person} />}
        <p className="phone-who">
          <b>{person.name}</b>
          <small>{kind}</small>
        </p>
        <p className="phone-link" data-status={status}>
          <i aria-hidden="true" />
          <span>
            {WORDS[status]}
            <small>{(status === "open" && node) || "no node"}</small>
          </span>
        </p>
      </header>
      <div className="phone-screen">{children}</div>
    </section>
  );
}
