// A TCP proxy on loopback that counts what the node sends: what a browser decodes it does not say the size of.

import { connect, createServer } from "node:net";

/**
 * With `late`, what the node sends over a WebSocket arrives so many ms later, and with `held` what the browser sends: other
 * connections overtake it.
 */
export async function meter(port, { late = 0, held = 0 } = {}) {
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
    const pass = (to, data, delay) => {
      if (delay) setTimeout(() => void (to.destroyed || to.write(data)), delay);
      else to.write(data);
    };
    let isFirst = true;
    let isWebSocket = false;
    client.on("data", (data) => {
      pass(upstream, data, isWebSocket && held);
      if (isFirst) isWebSocket = /^upgrade: websocket/im.test(data.toString("latin1"));
      isFirst = false;
    });
    client.on("end", () => upstream.end());
    upstream.on("data", (data) => pass(client, data, isWebSocket && late));
  });
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}/`;
  proxy.close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => void server.close(resolve));
  };
  return proxy;
}
