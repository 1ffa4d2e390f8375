// A Socket.IO server with the boards of tests/django/boards: the oracle for snapshots that no event overtakes. Socket.IO
// itself has no hold, so the server keeps a socket's events while a handler of it fetches a snapshot.
//
// Arguments: the port, the Redis URL, and the URL of the service that has the items.

import { createServer } from "node:http";

import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redisUrl, itemsUrl] = process.argv.slice(2);
const http = createServer();
const io = new Server(http);

const itemsOf = async (board) => {
  const body = JSON.stringify({ action: "snapshot", data: board });
  return (await fetch(itemsUrl, { method: "POST", body })).json();
};

/** Runs a handler; the socket's events wait until it is done. */
const held = async (socket, handler) => {
  socket.data.waiting = [];
  await handler();
  for (const args of socket.data.waiting) socket.emit(...args);
  socket.data.waiting = null;
};

io.on("connection", (socket) => {
  const open = (board) =>
    held(socket, async () => {
      await socket.join(`board_${board}`);
      socket.emit("items", { board, items: await itemsOf(board) });
    });
  socket.on("open", open);
  return open(socket.handshake.query.board);
});

const subscriber = createClient({ url: redisUrl });
await subscriber.connect();
await subscriber.pSubscribe("channelgate:board_*", (message, channel) => {
  const args = ["item", { n: JSON.parse(message).n }];
  for (const id of io.of("/").adapter.rooms.get(channel.slice("channelgate:".length)) ?? []) {
    const socket = io.of("/").sockets.get(id);
    if (socket.data.waiting) socket.data.waiting.push(args);
    else socket.emit(...args);
  }
});

http.listen(Number(port), "127.0.0.1");
