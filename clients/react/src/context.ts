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

/**
 * The client of a hook, which works outside of providers as well if it is given one. The error says what to do; `words`
 * are those of a preset, whose provider has a name that its users do not know.
 */
export function useClientOf<E = Events>(hook: string, of?: Of, words?: Words): Client<E> {
  let scope = useContext(ScopeContext);
  if (typeof of === "object") return of as unknown as Client<E>;
  while (scope && of !== undefined && scope.name !== of) scope = scope.parent;
  if (scope) return scope.client as unknown as Client<E>;
  const { provider, from } = words ?? { provider: `ChannelgateProvider${of === undefined ? "" : ` with name="${of}"`}`, from: "@channelgate/react" };
  throw new Error(`${hook} must be used within a ${provider} (both from "${from}")`);
}
