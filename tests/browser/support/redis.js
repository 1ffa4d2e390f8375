// A Redis server of its own, on a loopback port, without a file.

import { spawn } from "node:child_process";
import { connect } from "node:net";

import { freePort } from "./gate.js";
import { until } from "./until.js";

/** Starts a server; `{ url, send(…words), stop() }`. */
export async function startRedis() {
  const port = await freePort();
  const child = spawn("redis-server", ["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no"], { stdio: "ignore" });
  const ended = new Promise((resolve) => void child.once("exit", resolve));
  /** Sends one command, and resolves with the first line of the answer. */
  const send = (...words) =>
    new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(`${words.join(" ")}\r\n`));
      socket.once("data", (data) => {
        socket.destroy();
        resolve(data.toString().split("\r\n")[0]);
      });
      socket.once("error", reject);
    });
  await until("Redis answers", async () => (await send("PING")) === "+PONG");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { url: `redis://127.0.0.1:${port}/0`, send, stop };
}
