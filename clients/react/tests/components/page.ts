// What a user's system prefers, and the page's width: by the browser itself.

import { cdp, page } from "vitest/browser";

interface Session {
  send(method: string, parameters?: object): Promise<unknown>;
}

export const browser = (): Session => cdp() as unknown as Session;

/** Emulates media features until it is called again: `{ "prefers-color-scheme": "dark" }`. */
export const prefer = (features: Record<string, string> = {}): Promise<unknown> =>
  browser().send("Emulation.setEmulatedMedia", { features: Object.entries(features).map(([name, value]) => ({ name, value })) });

export const width = (pixels: number, height = 900): Promise<void> => page.viewport(pixels, height);
