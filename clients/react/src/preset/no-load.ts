// Lists without a `load`: they have what came since, and a miss stays one.

import type { AnyClient } from "../context.js";

export const withoutLoad =
  <T>(client: AnyClient, items: () => readonly T[]) =>
  (): Promise<readonly T[]> =>
    client.snapshot().recovery === "live" ? Promise.resolve(items()) : Promise.reject(new Error("what was missed needs a `load`"));
