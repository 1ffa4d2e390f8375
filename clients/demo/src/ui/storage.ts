// What the browser keeps for the page. Where it blocks that, nothing is kept.

type Kind = "localStorage" | "sessionStorage";

export function kept(kind: Kind, key: string): string | null {
  try {
    return globalThis[kind].getItem(key);
  } catch {
    return null;
  }
}

export function keep(kind: Kind, key: string, value: string): void {
  try {
    globalThis[kind].setItem(key, value);
  } catch {
    // It counts until the page is left.
  }
}
