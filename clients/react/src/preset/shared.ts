// One client for a page without a provider: the documents of three systems import functions, and configure them once.

import { createClient, type Client, type Options, type Token } from "@channelgate/client";

/** Where the server is, and who the user is. Both may be given again: a new user or server reconnects. */
export interface Settings {
  url?: string | URL | undefined;
  /** A token, or a function that fetches one for each attempt; null: nobody is logged in. */
  token?: Token | undefined;
}

export interface Shared {
  configure(settings: Settings): void;
  /** The client, made when it is asked for the first time. */
  client(): Client;
}

/** `options` is called once, when the client is made. */
export function shared(path: string, token: Token | undefined, options: () => Options): Shared {
  let settings: Settings = { url: path, token };
  let client: Client | undefined;
  // A function that is made anew by each render is the same setting.
  const differ = (a: unknown, b: unknown) => String(a) !== String(b) && !(typeof a === "function" && typeof b === "function");

  return {
    configure: (given) => {
      const former = settings;
      settings = { url: given.url ?? former.url, token: "token" in given ? given.token : former.token };
      if (client === undefined) return;
      client.setToken(settings.token ?? null);
      const isOther = differ(former.url, settings.url) || differ(former.token, settings.token);
      if (isOther && client.snapshot().status !== "idle") client.reconnect("configured anew");
    },
    client: () => (client ??= createClient({ ...options(), url: () => settings.url ?? path, ...(settings.token === undefined ? {} : { token: settings.token }) })),
  };
}
