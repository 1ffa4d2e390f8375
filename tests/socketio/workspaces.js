// A Socket.IO server with one namespace for each workspace: the oracle for namespaces with parameters.
//
// Argument: the port. `POST /emit` with `{namespace, room?, event, data}` emits as another process would.

import { createServer } from "node:http";

import { Server } from "socket.io";

const [port] = process.argv.slice(2);

const http = createServer(async (request, response) => {
  if (request.method !== "POST") return response.writeHead(404).end();
  let body = "";
  for await (const chunk of request) body += chunk;
  const { namespace, room, event, data } = JSON.parse(body);
  const to = io._nsps.get(namespace);
  (room ? to?.to(room) : to)?.emit(event, data);
  response.end();
});
const io = new Server(http);

io.of("/workspace-0").on("connection", (socket) => {
  socket.on("where", (reply) => reply("the one without parameters"));
});

io.of(/^\/workspace-\d+$/).on("connection", (socket) => {
  const id = Number(socket.nsp.name.slice("/workspace-".length));
  socket.emit("welcome", id);
  socket.on("where", (reply) => reply(id));
  socket.on("join", (room, reply) => {
    socket.join(room);
    reply("joined");
  });
  socket.on("leave", (room, reply) => {
    socket.leave(room);
    reply("left");
  });
  socket.on("tell", (room, data) => socket.nsp.to(room).emit("told", data));
  socket.on("tell_others", (room, data) => socket.to(room).emit("told", data));
  socket.on("tell_all", (data) => socket.nsp.emit("told", data));
  socket.on("ask_me", (data) => socket.emit("question", data, (answer) => socket.emit("answered", answer)));
  socket.on("bye", () => socket.disconnect());
});

http.listen(Number(port), "127.0.0.1");
