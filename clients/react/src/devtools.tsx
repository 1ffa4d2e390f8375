"use client";
// <ChannelgateDevtools />: looks into the connections of the providers around it. It renders nothing in production.

import { lazy, Suspense, useContext, useInsertionEffect, useState, type ReactNode } from "react";

import { ScopeContext, type AnyClient } from "./context.js";
import { record, type Recorded } from "./devtools/record.js";

declare const process: { env: { NODE_ENV?: string } };

export interface DevtoolsProps {
  /** Clients that no provider around it has, by the name that is shown. */
  clients?: Readonly<Record<string, AnyClient>>;
  /** Whether the panel is open at first. */
  open?: boolean;
}

const Panel = process.env.NODE_ENV === "production" ? null : lazy(() => import("./devtools/panel.js"));

const NONE: Readonly<Record<string, AnyClient>> = {};

function Devtools({ clients = NONE, open = false }: DevtoolsProps): ReactNode {
  const nearest = useContext(ScopeContext);
  const [recorded] = useState(() => new Map<AnyClient, Recorded>());
  const [isHydrated, setHydrated] = useState(false);
  const all: [string, AnyClient][] = Object.entries(clients);
  for (let scope = nearest; scope; scope = scope.parent) all.push([scope.name ?? "provider", scope.client]);
  // Before other effects, so that it sees the rooms that components join in theirs.
  useInsertionEffect(() => {
    for (const [, client] of all) recorded.set(client, record(client));
  });
  if (!Panel) return null;
  if (!isHydrated) return <span hidden ref={() => setHydrated(true)} />;
  return (
    <Suspense fallback={null}>
      <Panel clients={all.map(([name, client]) => [name, recorded.get(client) ?? record(client)])} open={open} />
    </Suspense>
  );
}

/** A panel in the corner of the page, during development. */
export const ChannelgateDevtools: (props: DevtoolsProps) => ReactNode = process.env.NODE_ENV === "production" ? () => null : Devtools;
