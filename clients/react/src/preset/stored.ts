// The token that an application keeps in localStorage, read again for each attempt.

export const stored = (key: string): string | null => (typeof localStorage === "undefined" ? null : localStorage.getItem(key));
