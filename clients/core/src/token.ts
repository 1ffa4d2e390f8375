// Tokens: fetching one from Django, and what it means where there is none.

import type { TokenContext } from "./types.js";

/** Thrown by a token function: there is no login. The client stops, and does not try again by itself. */
export class Unauthorized extends Error {}

/** An error after which the client waits for at least this many milliseconds. */
export class RetryAfter extends Error {
  readonly after: number;
  constructor(message: string, after: number) {
    super(message);
    this.after = after;
  }
}

/**
 * A token function: GET with the page's cookies, or with an `Authorization` header. 401 and 403 mean `unauthorized`.
 * `field` is the token's name in the answer.
 */
export function wsToken(
  url = "/api/user/ws-token/",
  how: { authorization?: () => string | null; credentials?: RequestCredentials; field?: string } = {},
): (context: TokenContext) => Promise<string | null> {
  const { authorization, credentials = "same-origin", field = "ws_token" } = how;
  return async ({ signal }) => {
    const header = authorization?.();
    const response = await fetch(url, { signal, credentials, cache: "no-store", headers: header ? { Authorization: header } : {} });
    const { ok, status } = response;
    const text = `${url} answered ${status}`;
    if (status === 401 || status === 403) throw new Unauthorized(text);
    if (!ok) throw new RetryAfter(text, seconds(response.headers.get("Retry-After")));
    const token = ((await response.json()) as Record<string, unknown>)[field];
    return typeof token === "string" ? token : null;
  };
}

/** `Retry-After` in milliseconds: it has seconds, or a date. */
function seconds(value: string | null): number {
  const wait = Number(value ?? 0) * 1_000;
  return Math.max(0, Number.isNaN(wait) ? Date.parse(value ?? "") - Date.now() || 0 : wait);
}
