// The server of the readme of ws: what comes from Redis is sent to every client. Arguments: the port, the URL of Redis,
// and `deflate` to compress as far as the defaults of ws go.
import { WebSocketServer, WebSocket } from "ws";
import { createClient } from "redis";

const [port, redis, deflate] = process.argv.slice(2);
const sub = createClient({ url: redis });
await sub.connect();

const wss = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  backlog: 4096,
  perMessageDeflate: deflate === "deflate",
});
const groups = new Map();
wss.on("connection", (socket, request) => {
  const group = new URL(request.url, "http://localhost").searchParams.get("g");
  if (group !== null) {
    const members = groups.get(group) ?? new Set();
    groups.set(group, members.add(socket));
    socket.on("close", () => members.delete(socket));
  }
});
const send = (clients, text) => {
  for (const client of clients) {
    if (client.readyState === WebSocket.OPEN) {
      client.send(text);
    }
  }
};
await sub.subscribe("bench", (text) => send(wss.clients, text));
await sub.pSubscribe("bench:*", (text, channel) => send(groups.get(channel.slice(6)) ?? [], text));
