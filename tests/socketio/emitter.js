// Publishes through the real @socket.io/redis-emitter.

import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

export async function emit({ redis, namespace = "/", to = [], except = [], volatile, event, args }) {
  const client = createClient({ url: redis });
  await client.connect();
  try {
    let emitter = new Emitter(client).of(namespace);
    if (to.length > 0) emitter = emitter.to(to);
    if (except.length > 0) emitter = emitter.except(except);
    if (volatile) emitter = emitter.volatile;
    emitter.emit(event, ...args);
    // The emitter does not wait for its PUBLISH; commands of one connection are answered in order.
    await client.ping();
  } finally {
    await client.close();
  }
}
