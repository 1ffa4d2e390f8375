// Socket.IO with its Redis adapter, as its documentation writes it, with what its page on performance says: native
// masking (bufferutil), WebSocket only, and the first HTTP request of a client forgotten.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redis] = process.argv.slice(2);
const pub = createClient({ url: redis });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);

const http = createServer();
const io = new Server(http, { adapter: createAdapter(pub, sub), transports: ["websocket"] });
io.engine.on("connection", (raw) => {
  raw.request = null;
});
io.on("connection", (socket) => {
  const group = socket.handshake.query.g;
  if (group !== undefined) {
    socket.join(`group_${group}`);
  }
});
http.listen(Number(port), "127.0.0.1", 4096);
