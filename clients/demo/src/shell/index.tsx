// Around every page: the bar at the top, the rail, the river at the bottom.

import { useStatus } from "@channelgate/react";
import type { JSX, ReactNode } from "react";

import { addressOf } from "../route";
import { SYSTEMS, useClients, type SystemId } from "../systems";

export function Shell({ page, children }: { page: SystemId; children: ReactNode }): JSX.Element {
  return (
    <>
      <nav aria-label="Systems">
        {SYSTEMS.map(({ id, title }) => (
          <a key={id} href={addressOf(id)} aria-current={id === page ? "page" : undefined}>
            {title} <Node of={id} />
          </a>
        ))}
      </nav>
      <main>{children}</main>
    </>
  );
}

function Node({ of }: { of: SystemId }): JSX.Element {
  const { status, node } = useStatus(undefined, useClients()[of]);
  return <small>{`${status} ${node ?? ""}`}</small>;
}
