// A TCP proxy on loopback that counts what the node sends: what a browser decodes it does not say the size of.

import { connect, createServer } from "node:net";

/**
 * With `late`, what the node sends over a WebSocket arrives so many ms later: other connections overtake it. With `behind`,
 * what the client sends over one.
 */
export async function meter(port, { late = 0, behind = 0 } = {}) {
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
    let [delay, wait] = [0, 0];
    client.on("data", (data) => {
      if (wait) setTimeout(() => void (upstream.destroyed || upstream.write(data)), wait);
      else upstream.write(data);
    });
    client.on("end", () => void upstream.end());
    client.once("data", (head) => {
      if (/^upgrade: websocket/im.test(head.toString("latin1"))) [delay, wait] = [late, behind];
    });
    upstream.on("data", (data) => {
      if (delay) setTimeout(() => void (client.destroyed || client.write(data)), delay);
      else client.write(data);
    });
  });
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}/`;
  proxy.close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => void server.close(resolve));
  };
  return proxy;
}
