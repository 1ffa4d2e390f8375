// The token that an application keeps in localStorage, read again for each attempt.

export const stored = (key: string): string | null => (typeof localStorage === "undefined" ? null : localStorage.getItem(key));

/** The user that a JWT names, for comparing; the server verifies it. */
export function userOf(token: string | null): string | null {
  try {
    const claims = JSON.parse(atob((token ?? "").split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) as Record<string, unknown>;
    const id = claims["user_id"] ?? claims["id"] ?? claims["sub"];
    return id === undefined ? null : String(id);
  } catch {
    return null;
  }
}
