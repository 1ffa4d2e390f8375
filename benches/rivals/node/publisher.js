// Publishes with @socket.io/redis-emitter, for each line `<group> <text>` that comes over TCP. Arguments: the port, the
// URL of Redis, and `one` (all clients) or `many` (the group's room).
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

const [port, redis, groups] = process.argv.slice(2);
const client = createClient({ url: redis });
await client.connect();
const emitter = new Emitter(client);

createServer((socket) => {
  socket.setNoDelay(true);
  createInterface({ input: socket }).on("line", (line) => {
    const space = line.indexOf(" ");
    const to = groups === "one" ? emitter : emitter.to(`group_${line.slice(0, space)}`);
    to.emit("client_update", line.slice(space + 1));
    socket.write("ok\n");
  });
}).listen(Number(port), "127.0.0.1");
