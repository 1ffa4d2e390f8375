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
  readonly user: string | null | undefined;
  readonly labels: object | undefined;
  readonly parent: Scope | null;
}

export const ScopeContext: Context<Scope | null> = createContext<Scope | null>(null);

/** The names in an error message; presets have their own. */
export interface Words {
  readonly provider: string;
  readonly from: string;
}

const WORDS: Words = { provider: "ChannelgateProvider", from: "@channelgate/react" };

/** What the nearest provider hands down, or the one with this name. Throws an error that says what to do. */
export function useScope(hook: string, name?: string, words?: Words): Scope {
  return find(useContext(ScopeContext), hook, name, words);
}

/** The client of a hook. A hook that is given a client works outside of providers as well. */
export function useClientOf<E = Events>(hook: string, of?: Of, words?: Words): Client<E> {
  const nearest = useContext(ScopeContext);
  const client = typeof of === "object" ? of : find(nearest, hook, of, words).client;
  return client as unknown as Client<E>;
}

function find(nearest: Scope | null, hook: string, name?: string, words: Words = WORDS): Scope {
  let scope = nearest;
  while (scope && name !== undefined && scope.name !== name) scope = scope.parent;
  if (scope) return scope;
  const named = name === undefined || words !== WORDS ? "" : ` with name="${name}"`;
  throw new Error(`${hook} must be used within a ${words.provider}${named} (both from "${words.from}")`);
}
