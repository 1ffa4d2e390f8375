// The user of a token, as far as the page can read it. Only the server knows whether it is true.

/** The user of a JWT. null without a token, undefined where it is not known: other texts, and functions. */
export function userOf(token: unknown): string | null | undefined {
  if (token === null) return token;
  try {
    const { user_id, id, sub } = JSON.parse(atob(String(token).split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) as Record<string, string | number | undefined>;
    return (user_id ?? id ?? sub)?.toString();
  } catch {
    return undefined;
  }
}
