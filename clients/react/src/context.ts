"use client";
// Finds the client of a hook: that of the nearest provider, of the provider with a name, or a client that is given.

import type { Client, Events } from "@channelgate/client";
import { createContext, useContext, type Context } from "react";

/** A client, whatever its events are. */
export type AnyClient = Omit<Client, "on"> & { on: (event: never, handler: never) => () => void };

/** Which client a hook uses: that of the provider with this name, or this one. Without it the nearest provider's. */
export type Of = string | AnyClient;

/** What a provider hands down. */
export interface Scope {
  readonly client: AnyClient;
  readonly name: string | undefined;
  /** Who is logged in: null without a login, undefined if it is not known. */
  readonly user: string | number | null | undefined;
  readonly labels: object | undefined;
  readonly parent: Scope | null;
}

export const ScopeContext: Context<Scope | null> = createContext<Scope | null>(null);

/** The names in an error message. */
export interface Words {
  readonly provider: string;
  readonly from: string;
}

/** Who is logged in; undefined where it is not known. */
export function useUser(of?: Of): Scope["user"] {
  let scope = useContext(ScopeContext);
  while (scope && typeof of === "string" && scope.name !== of) scope = scope.parent;
  return scope?.user;
}

/** The client of a hook. A hook that is given one works outside of providers as well. */
export function useClientOf<E = Events>(hook: string, of?: Of, words?: Words): Client<E> {
  const nearest = useContext(ScopeContext);
  return (typeof of === "object" ? of : find(nearest, hook, of, words).client) as unknown as Client<E>;
}

/** The error says what to do. The users of a preset do not know that its provider has a name. */
function find(scope: Scope | null, hook: string, name?: string, words?: Words): Scope {
  for (; scope; scope = scope.parent) if (name === undefined || scope.name === name) return scope;
  const { provider, from } = words ?? { provider: `ChannelgateProvider${name === undefined ? "" : ` with name="${name}"`}`, from: "@channelgate/react" };
  throw new Error(`${hook} must be used within a ${provider} (both from "${from}")`);
}
