// The real socket.io-client and redis-emitter, controlled by the end-to-end tests: one JSON command per line on
// standard input, one JSON answer or report per line on standard output. tests/e2e/rig/driver.py is the other end.

import { createInterface } from "node:readline";

import { emit } from "./emitter.js";
import { Sockets } from "./sockets.js";
import { pack, unpack } from "./values.js";

const write = (message) => process.stdout.write(`${JSON.stringify(pack(message))}\n`);
const sockets = new Sockets(write);

const commands = {
  open: (command) => sockets.open(command),
  openEngine: (command) => sockets.openEngine(command),
  emit: (command) => sockets.emit(command),
  close: (command) => sockets.close(command),
  publish: (command) => emit(command),
};

const lines = createInterface({ input: process.stdin });

lines.on("line", async (line) => {
  const command = unpack(JSON.parse(line));
  try {
    write({ answer: command.number, value: (await commands[command.do](command)) ?? null });
  } catch (error) {
    write({ answer: command.number, error: String(error?.message ?? error) });
  }
});
// The tests have ended.
lines.on("close", () => process.exit(0));
