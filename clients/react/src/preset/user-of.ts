// The user of a token, as far as the page can read it. Only the server knows whether it is true.

/** The user of a JWT. null without a token, undefined where it is not known. */
export function userOf(token: unknown): string | null | undefined {
  if (typeof token !== "string") return token === null ? null : undefined;
  try {
    const claims = JSON.parse(atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))) as Record<string, unknown>;
    const id = claims["user_id"] ?? claims["id"] ?? claims["sub"];
    return id === undefined ? undefined : String(id);
  } catch {
    return undefined;
  }
}
