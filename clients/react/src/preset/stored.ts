// The token that an application keeps in localStorage, read again for each attempt.

export function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // On a server, or where storage is blocked.
  }
}
