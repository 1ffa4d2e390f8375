// Tokens: fetching one from Django, and what it means where there is none.

import type { TokenContext } from "./types.js";

/** Thrown by a token function: there is no login. The client stops, and does not try again by itself. */
export class Unauthorized extends Error {}

/**
 * A token function: GET with the page's cookies, or with an `Authorization` header. 401 and 403 mean `unauthorized`.
 * `field` is the token's name in the answer. An error's `after` is the least time to wait, in milliseconds.
 */
export function wsToken(
  url = "/api/user/ws-token/",
  { authorization, field = "ws_token", ...how }: { authorization?: () => string | null; credentials?: RequestCredentials; field?: string } = {},
): (context: TokenContext) => Promise<string | null> {
  return async ({ signal }) => {
    const header = authorization?.();
    const response = await fetch(url, { ...how, signal, cache: "no-store", headers: header ? { Authorization: header } : {} });
    const { status } = response;
    const text = `${url}: ${status}`;
    if (status === 401 || status === 403) throw new Unauthorized(text);
    // Seconds, or a date.
    const after = response.headers.get("Retry-After") ?? "";
    if (!response.ok) throw Object.assign(new Error(text), { after: +after * 1_000 || Date.parse(after) - Date.now() });
    return ((await response.json()) as Record<string, string>)[field] ?? null;
  };
}
