// A process of a test: what it has written, how it has ended, and that it does not outlive the test.

import { spawn } from "node:child_process";

import { until } from "./until.js";

export class Process {
  log = "";
  /** How it has ended. */
  end = null;
  #child;
  #signal;

  /** `signal` is what asks it to end. */
  constructor(program, args, { signal, ...options }) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    this.#child = child;
    this.#signal = signal;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (this.log += data));
    const stop = () => void child.kill(signal);
    process.once("exit", stop);
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, by) => resolve({ code, signal: by }));
      child.once("error", (error) => resolve({ code: -1, error }));
    });
    void this.ended.then((end) => {
      this.end = end;
      process.off("exit", stop);
    });
  }

  /** Waits until it is ready. Fails, and ends it, if that takes too long or it ends by itself. */
  async isReady(what, condition, ms) {
    try {
      await until(what, () => this.end !== null || condition(), ms);
      if (this.end) throw new Error(`not ${what}: it ended: ${JSON.stringify(this.end)}`);
    } catch (error) {
      await this.stop();
      throw new Error(`${error.message}\n${this.log}`, { cause: error });
    }
  }

  /** Asks it to end, by force after some time, and resolves with how it did. */
  async stop() {
    this.#child.kill(this.#signal);
    const force = setTimeout(() => this.#child.kill("SIGKILL"), 40_000);
    await this.ended;
    clearTimeout(force);
    return this.end;
  }
}
