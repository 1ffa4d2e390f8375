"use client";
// Makes a client of its props, or takes one, and keeps it connected while it is mounted.

import { createClient, type Client, type Options, type Token } from "@channelgate/client";
import { useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";

import { ScopeContext, type AnyClient, type Scope } from "./context.js";
import { useLatest } from "./hooks/latest.js";
import type { Labels } from "./labels.js";

interface Common {
  /** Tells providers apart that are nested: `useClient("name")`. */
  name?: string;
  /**
   * Who is logged in: an id, or null without a login. When it changes, the connection and what hooks keep are made anew,
   * and what waits to be sent is lost. Without it, another token that is given as a text may be another user's.
   */
  user?: string | number | null | undefined;
  /** Words of the components, in another language (`labels/de`) or of the application; English is below them. */
  labels?: Partial<Labels> | undefined;
  children?: ReactNode;
}

/** The provider makes a client. Another `url` makes another client; other options count when it is made. */
export interface UrlProps extends Common, Omit<Options, "url" | "token"> {
  url: NonNullable<Options["url"]>;
  /** undefined, if it is given, is null: there is no token yet. Without this property cookies count. */
  token?: Token | undefined;
  client?: never;
}

/** The client was made elsewhere. */
export interface ClientProps extends Common {
  client: AnyClient;
  url?: never;
  token?: never;
}

export type ChannelgateProviderProps = UrlProps | ClientProps;

/** Gives a client to the hooks and components below it: one connection, however many there are. */
export function ChannelgateProvider(props: ChannelgateProviderProps): ReactNode {
  const { name, labels, children, client: given, url, token, user } = props as Common & Options & { client?: AnyClient };
  const parent = useContext(ScopeContext);
  const current = useLatest(token);
  // Of a function it is the source: the same one in each render.
  const place = `${url}`;
  // A text that does not say whose it is may be that of another user.
  const turn = useTurn(user === undefined && typeof token !== "function" ? token : user);
  const client = useMemo<AnyClient>(
    // Another object, so that what hooks and components keep of a client is not shown to another user.
    () => (given ? (turn ? { ...given } : given) : make(props as UrlProps, current)),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- options count when the client is made
    [given, place, turn],
  );
  useToken(client, given, token, turn, current);
  useEffect(() => hold(client, !given), [client, given]);
  const scope = useMemo<Scope>(() => ({ client, name, labels, user, parent }), [client, name, labels, user, parent]);
  return <ScopeContext.Provider value={scope}>{children}</ScopeContext.Provider>;
}

/** Keeps a client connected. The provider's own may come for another one, whose connection ends first: in a task that was queued before. */
function hold(client: AnyClient, isOwn: boolean): () => void {
  let release: (() => void) | undefined;
  const acquire = () => {
    release = client.acquire();
  };
  const timer = isOwn ? setTimeout(acquire) : acquire();
  return () => {
    clearTimeout(timer as number | undefined);
    release?.();
  };
}

type Current = () => Token | undefined;

function make(props: UrlProps, current: Current): Client {
  return createClient("token" in props ? { ...props, token: latestToken(current) } : (props as Options));
}

/** Asks the token of the latest render: it may be a function that closes over state. */
function latestToken(current: Current): Token {
  return (context) => {
    const token = current();
    return typeof token === "function" ? token(context) : (token ?? null);
  };
}

/** Counts users. Who it is may become known later: that is not another user. */
function useTurn(identity: unknown): number {
  const [last, setLast] = useState({ identity, turn: 0 });
  if (!Object.is(last.identity, identity)) setLast({ identity, turn: last.turn + (last.identity === undefined ? 0 : 1) });
  return last.turn;
}

/** Follows another token; connects anew for another user. */
function useToken(client: AnyClient, given: AnyClient | undefined, token: Token | undefined, turn: number, current: Current) {
  const before = useRef({ client, given, token, turn });
  useEffect(() => {
    const last = before.current;
    before.current = { client, given, token, turn };
    if (last.turn !== turn && last.given === given) {
      // What waits is the former user's.
      last.client.disconnect();
      if (given) client.reconnect("another user");
      // A fresh one leaves `unauthorized`.
    } else if (last.client === client && token !== last.token && typeof token !== "function") client.setToken(latestToken(current));
  }, [client, given, token, turn, current]);
}
