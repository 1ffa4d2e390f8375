// Requests that wait for an acknowledgement: each ends with its answer, in time, or with the connection.

import { Disconnected, TimedOut } from "./errors.js";
import type { Connection } from "./types.js";

/** Time and chance; tests have their own. */
export interface Clock {
  now(): number;
  random(): number;
  later(then: () => void, ms: number): () => void;
}

const TIMEOUT = 10_000;

export class Requests {
  readonly #clock: Clock;
  readonly #waiting = new Set<(error: unknown) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  make(connection: Connection | null, event: string, data: unknown, { timeout = TIMEOUT, signal }: { timeout?: number; signal?: AbortSignal }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!connection) throw new Disconnected("There is no connection.");
      if (!connection.request) throw new Error("This transport has no acknowledgements: use socketIo().");
      signal?.throwIfAborted();
      const abort = () => fail(signal?.reason);
      const cancel = this.#clock.later(() => fail(new TimedOut(`No acknowledgement of ${event} within ${timeout} ms.`)), timeout);
      const done = () => {
        cancel();
        this.#waiting.delete(fail);
        signal?.removeEventListener("abort", abort);
      };
      const fail = (error: unknown) => {
        done();
        reject(error);
      };
      this.#waiting.add(fail);
      signal?.addEventListener("abort", abort);
      connection.request(event, data).then((answer) => {
        done();
        resolve(answer);
      }, fail);
    });
  }

  /** The connection is lost. */
  fail(): void {
    for (const fail of [...this.#waiting]) fail(new Disconnected("The connection was lost before the acknowledgement came."));
  }
}
