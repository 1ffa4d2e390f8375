// The processes that tests start: each is remembered, and ends with the tests, also if these are interrupted.

import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { createServer } from "node:net";

import { until } from "./until.js";

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Linux ends these processes even if the tests are killed. */
const setpriv = existsSync("/usr/bin/setpriv") ? ["/usr/bin/setpriv", "--pdeathsig", "KILL"] : [];

export function run(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const [program = command, ...all] = [...setpriv, command, ...args];
  const child = spawn(program, all, options);
  children.add(child);
  const gone = (): void => void children.delete(child);
  child.once("exit", gone);
  child.once("error", gone);
  return child;
}

export const isGone = (child: ChildProcess | undefined): boolean =>
  child?.pid === undefined || child.exitCode !== null || child.signalCode !== null;

/** Sends a signal and waits for the end; by force after `ms`. */
export async function end(child: ChildProcess | undefined, signal: NodeJS.Signals, ms = 30_000): Promise<void> {
  if (child === undefined || isGone(child)) return;
  const ended = new Promise((resolve) => void child.once("exit", resolve));
  child.kill(signal);
  const force = setTimeout(() => child.kill("SIGKILL"), ms);
  await ended;
  clearTimeout(force);
}

/** Removes the profile of a browser that has ended: its helper processes end a moment later, and write until then. */
export async function removeProfile(folder: string): Promise<void> {
  await until("the profile to be removed", () => {
    rmSync(folder, { recursive: true, force: true });
    return !existsSync(folder);
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
      });
    });
  });
}
