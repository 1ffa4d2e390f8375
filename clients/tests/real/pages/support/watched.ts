// The page of these tests in any browser: starting it, and waiting for what happens on it.

import { until } from "../../support/until.js";
import type { Facts } from "./app.js";

type Page = Window["page"];

export abstract class Watched {
  /** Calls a function of the page. */
  protected abstract call(name: keyof Page, ...args: readonly unknown[]): Promise<unknown>;

  /** Starts the application; see `app.tsx`. */
  async start(options: Parameters<Page["start"]>[0]): Promise<void> {
    await this.call("start", options);
  }

  facts(): Promise<Facts> {
    return this.call("facts") as Promise<Facts>;
  }

  /** Forgets what happened so far. */
  async clear(): Promise<void> {
    await this.call("clear");
  }

  /** Waits until the facts are so, and returns them. */
  async until(what: string, condition: (facts: Facts) => boolean, ms = 20_000): Promise<Facts> {
    let last: Facts | undefined;
    try {
      await until(what, async () => condition((last = await this.facts())), ms);
    } catch (error) {
      const short = { ...last, numbers: last?.numbers.length, renders: last?.renders.length };
      throw new Error(`${(error as Error).message}\n${JSON.stringify(short)}`, { cause: error });
    }
    return last as Facts;
  }

  status(status: string, ms?: number): Promise<Facts> {
    return this.until(`the status ${status}`, ({ snapshot }) => snapshot.status === status, ms);
  }
}
