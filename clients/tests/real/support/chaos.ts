// A TCP proxy that breaks as networks do: between a page and its node, or a node and its Redis.

import { createConnection, createServer, type Server, type Socket } from "node:net";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export class Chaos {
  readonly #pairs = new Set<Pair>();
  #server: Server | undefined;
  #refuses = false;
  #port = 0;
  /** How many connections were accepted since the start. */
  accepted = 0;

  private constructor(readonly target: number) {}

  static async start(target: number): Promise<Chaos> {
    const chaos = new Chaos(target);
    const server = createServer((near) => {
      chaos.accepted += 1;
      if (chaos.#refuses) return void near.resetAndDestroy();
      const far = createConnection(target, "127.0.0.1");
      const pair = { near, far };
      chaos.#pairs.add(pair);
      for (const [from, to] of [[near, far], [far, near]] as const) {
        from.on("data", (data) => to.write(data));
        from.on("end", () => to.end());
        from.on("error", () => to.destroy());
        from.on("close", () => {
          to.destroy();
          chaos.#pairs.delete(pair);
        });
      }
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    chaos.#server = server;
    const address = server.address();
    if (address !== null && typeof address === "object") chaos.#port = address.port;
    return chaos;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** The connections of now stay open and carry nothing more, in both directions; new ones work. */
  halfOpen(): void {
    for (const { near, far } of this.#pairs) {
      for (const socket of [near, far]) socket.removeAllListeners("data").removeAllListeners("end").resume();
    }
  }

  /** Resets all connections. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Whether new connections are reset at once. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}
