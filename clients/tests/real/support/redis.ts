// A real Redis without a file on the disk.

import type { ChildProcess } from "node:child_process";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";

import { end, freePort, run } from "./children.js";
import { until } from "./until.js";

export class Redis {
  #child: ChildProcess | undefined;

  private constructor(readonly port: number) {}

  static async start(): Promise<Redis> {
    const redis = new Redis(await freePort());
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  async start(): Promise<void> {
    const args = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tmpdir()];
    this.#child = run("redis-server", args, { stdio: "ignore" });
    await until("Redis answers", () => this.#answers());
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = createConnection(this.port, "127.0.0.1", () => socket.write("PING\r\n"));
      socket.setTimeout(5_000);
      const done = (answers: boolean) => () => {
        socket.destroy();
        resolve(answers);
      };
      socket.once("data", done(true)).once("error", done(false)).once("timeout", done(false));
    });
  }

  stop(): Promise<void> {
    return end(this.#child, "SIGKILL");
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  close(): Promise<void> {
    return this.stop();
  }
}
