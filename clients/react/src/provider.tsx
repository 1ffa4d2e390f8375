"use client";
// Makes a client of its props, or takes one, and keeps it connected while it is mounted.

import { createClient, type Client, type Options, type Token } from "@channelgate/client";
import { useContext, useEffect, useMemo, useRef, type ReactNode } from "react";

import { ScopeContext, type AnyClient, type Scope } from "./context.js";
import { useLatest } from "./hooks/latest.js";

interface Common {
  /** Tells providers apart that are nested: `useClient("name")`. */
  name?: string;
  /**
   * Who is logged in: an id, or null without a login. The connection is made anew when it changes. Default: the user of
   * a token that is a text and a JWT.
   */
  user?: string | number | null;
  /** Texts of the components. */
  labels?: object;
  children?: ReactNode;
}

/** The provider makes a client. Another `url` makes another client; other options count when it is made. */
export interface UrlProps extends Common, Omit<Options, "url"> {
  url: NonNullable<Options["url"]>;
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
  const { name, labels, children, client: given, url, token } = props as Common & Options & { client?: AnyClient };
  const parent = useContext(ScopeContext);
  const current = useLatest({ url, token });
  const place = typeof url === "function" ? "" : String(url);
  const client = useMemo(
    () => given ?? make(props as UrlProps, current),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- options count when the client is made
    [given, place],
  );
  const user = props.user === undefined ? userOf(token) : props.user === null ? null : String(props.user);
  useToken(client, props, user, current);
  useEffect(() => client.acquire(), [client]);
  const scope = useMemo<Scope>(() => ({ client, name, labels, user, parent }), [client, name, labels, user, parent]);
  return <ScopeContext.Provider value={scope}>{children}</ScopeContext.Provider>;
}

type Current = () => { url: Options["url"]; token: Token | undefined };

/** A client that asks for the address and the token of the latest render: these may be functions that close over state. */
function make(props: UrlProps, current: Current): Client {
  const options: Options = { ...props };
  if (typeof options.url === "function") {
    options.url = () => {
      const { url } = current();
      return typeof url === "function" ? url() : (url ?? "");
    };
  }
  if ("token" in options) options.token = latestToken(current);
  return createClient(options);
}

function latestToken(current: Current): Token {
  return (context) => {
    const { token = null } = current();
    return typeof token === "function" ? token(context) : token;
  };
}

/** Follows another token; connects anew for another user. */
function useToken(client: AnyClient, props: ChannelgateProviderProps, user: string | null | undefined, current: Current) {
  const { token } = props as Options;
  const has = "token" in props;
  // A text that does not say whose it is may be anyone's.
  const identity = user === undefined && typeof token === "string" ? token : user;
  const before = useRef({ client, has, token, identity });
  useEffect(() => {
    const last = before.current;
    before.current = { client, has, token, identity };
    if (last.client !== client) return;
    // Who it is may become known later: that is not another user.
    const isOther = has !== last.has || (last.identity !== undefined && identity !== last.identity);
    if (has && (!last.has || (typeof token !== "function" && token !== last.token && !isOther))) client.setToken(latestToken(current));
    if (isOther) client.reconnect("another user");
  }, [client, has, token, identity, current]);
}

/** The user of a JWT. null without a token, undefined where it is not known. */
function userOf(token: Token | undefined): string | null | undefined {
  if (typeof token !== "string") return token === null ? null : undefined;
  try {
    const claims = JSON.parse(atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))) as Record<string, unknown>;
    const id = claims["user_id"] ?? claims["id"] ?? claims["sub"];
    return id === undefined ? undefined : String(id);
  } catch {
    return undefined;
  }
}
