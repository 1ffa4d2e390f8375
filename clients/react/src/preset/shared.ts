"use client";
// One client for a page without a provider: the documents of three systems import functions, and nothing else.

import { createClient, type Client, type Options, type Token } from "@channelgate/client";
import { useEffect } from "react";

import type { AnyClient } from "../context.js";

/** Where the server is, and who the user is. What is absent stays as it was. */
export interface Settings {
  url?: string | URL | undefined;
  /** A token, or a function that fetches one for each attempt; null: without a login. Another text reconnects. */
  token?: Token | undefined;
  /** A client instead, such as that of "@channelgate/client/testing". */
  client?: AnyClient | undefined;
}

export interface Shared<E> {
  configure(settings: Settings): void;
  /** The client, made when it is asked for the first time. */
  client(): Client<E>;
}

/** `token` and `options` are the defaults; `options` is called when the client is made, `onOther` when there may be another user. */
export function shared<E>(url: string, token: Token | undefined, options: () => Options, onOther?: () => void): Shared<E> {
  let settings: Settings = { url, token };
  let made: Client<E> | undefined;
  const ask: Token = (context) => {
    const now = settings.token ?? null;
    return typeof now === "function" ? now(context) : now;
  };
  const make = () => createClient<E>({ ...options(), url: () => settings.url ?? url, ...(settings.token !== undefined && { token: ask }) });
  return {
    configure: (given) => {
      const before = settings;
      settings = { ...before, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
      // A function that each render makes anew is not another login.
      const isLogin = settings.token !== before.token && !(typeof settings.token === "function" && typeof before.token === "function");
      const isOther = isLogin && before.token;
      if (isOther) onOther?.();
      if (made === undefined) return;
      const isUsed = !/idle|closed/.test(made.snapshot().status);
      // What waits may be the former user's.
      if (isOther) made.disconnect();
      if (isLogin) made.setToken(ask);
      if ((isLogin || `${settings.url}` !== `${before.url}`) && isUsed) made.reconnect("configured anew");
    },
    client: () => (settings.client as unknown as Client<E> | undefined) ?? (made ??= make()),
  };
}

/** The client, connected while the component is mounted. */
export function useShared<E>({ client }: Shared<E>): Client<E> {
  const own = client();
  useEffect(() => own.acquire(), [own]);
  return own;
}
