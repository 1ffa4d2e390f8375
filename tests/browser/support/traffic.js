// Traffic as of a day, for the photographs of the operator's view: clients that come and go, events in waves, a few losses.

import { Clients } from "./operate.js";

const ORDERS = Array.from({ length: 16 }, (_, index) => 10 + index);
const pause = (ms) => new Promise((resolve) => void setTimeout(resolve, ms));

/** The type of an event: some come too often, few have no handler or lack what theirs needs. */
const kind = (chance) => (chance < 0.01 ? "order.unknown" : chance < 0.015 ? "order.note" : chance < 0.03 ? "order.tick" : "order.status");

/** Lasts so many seconds; the clients end with it, except those that stay until the browser ends. */
export async function traffic(nodes, redis, browser, seconds) {
  const pages = [];
  for (const [index, node] of nodes.entries()) {
    const page = await Clients.open(browser, node);
    pages.push(page);
    for (let user = 0; user < 8; user += 1) {
      const token = node.accessToken(100 * (index + 1) + user);
      for (const order of ORDERS.filter((id) => (id + user + index) % 3 > 0)) await page.plain(`/ws/orders/${order}/?token=${token}`);
      await page.socketIo(token);
    }
  }
  const begin = performance.now();
  let isCut = false;
  for (let tick = 0; performance.now() - begin < seconds * 1000; tick += 1) {
    const at = (performance.now() - begin) / 1000;
    // Two waves, and a rush in the middle.
    const rate = 3 + 2 * Math.sin(at / 70) + Math.sin(at / 17) + (at > seconds * 0.55 && at < seconds * 0.62 ? 6 : 0);
    for (let count = Math.max(1, Math.round(rate + Math.random())); count > 0; count -= 1) {
      await nodes[0].publish(`order_${ORDERS[Math.floor(Math.random() * ORDERS.length)]}`, { type: kind(Math.random()), status: "paid" });
    }
    if (tick % 60 === 0) await pages[1].plain(`/ws/orders/12/?token=${nodes[1].accessToken(300)}`);
    if (at > seconds * 0.6 && !isCut) {
      isCut = true;
      await redis.send("CLIENT KILL TYPE pubsub");
    }
    await pause(250);
  }
}
