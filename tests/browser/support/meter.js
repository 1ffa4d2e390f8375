// A TCP proxy on loopback that counts what the node sends: what a browser decodes it does not say the size of.

import { connect, createServer } from "node:net";

export async function meter(port) {
  const sockets = new Set();
  const proxy = { bytes: 0 };
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    upstream.on("data", (data) => (proxy.bytes += data.length));
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}/`;
  proxy.close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => void server.close(resolve));
  };
  return proxy;
}
