// Publishes as Django does: by the group_send of a real channels_redis, in a Python process that stays.

import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { end, run } from "./children.js";

/** PYTHON, or the environment of the tests. */
const python = (): string => process.env["PYTHON"] ?? fileURLToPath(new URL("../../../../.venv/bin/python", import.meta.url));

export class Layer {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #errors = "";

  constructor(redisUrl: string, kind: "core" | "pubsub" = "core") {
    const child = run(python(), [fileURLToPath(new URL("layer.py", import.meta.url)), redisUrl, kind], { stdio: "pipe" });
    this.#child = child;
    child.stderr?.on("data", (data: Buffer) => (this.#errors += data.toString()));
    if (child.stdout !== null) {
      createInterface(child.stdout).on("line", (line) => {
        const first = this.#waiting.shift();
        if (line === "sent") first?.resolve();
        else first?.reject(new Error(`group_send: ${line}`));
      });
    }
    const failed = (): void => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the Python process has ended: ${this.#errors}`));
    };
    child.once("exit", failed);
    child.once("error", failed);
  }

  /** `times` above 1 sends the event that often, with a `number` from 0 in each. */
  send(group: string, event: Readonly<Record<string, unknown>>, times = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ group, event, times })}\n`);
    });
  }

  close(): Promise<void> {
    return end(this.#child, "SIGTERM");
  }
}
