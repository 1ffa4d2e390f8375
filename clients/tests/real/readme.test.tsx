// The snippet of the README, word for word, with a real node: the list is loaded, follows events, and is loaded anew
// over a killed node.

import { expect, vi } from "vitest";

import { App } from "../snippets/readme/app.js";
import { itOnce, log, mount, startAgain } from "./presets.js";
import { startGate, until } from "./rig.js";

itOnce("loads the list, applies events, and loads it anew after the node was killed", async () => {
  const config = `
[[consumer]]
path = "/ws/orders/<int:id>/"
groups = ["order_{{ route.id }}"]
hello = { when = "query.cg == '1'", send = "{'type': 'hello', 'node': node, 'id': id, 'v': 1}" }
on_event."*".send = "event"
`;
  const gate = await startGate({ config });
  // The page of the test is another server's than the node's.
  let isOpen = false;
  class Socket extends WebSocket {
    constructor(url: string | URL, protocols?: string[]) {
      const { pathname, search } = new URL(url);
      super(gate.ws(pathname + search), protocols);
      this.addEventListener("open", () => (isOpen = true));
    }
  }
  vi.stubGlobal("WebSocket", Socket);
  const orders = [{ id: 1, status: "new" }, { id: 2, status: "new" }];
  /** Loads before the connection was open: a list waits half a second for it, and loads again when it comes later. */
  let early = 0;
  const load = vi.fn((url: string) => {
    if (!isOpen) early += 1;
    return Promise.resolve(Response.json(url === "/api/orders/" ? orders : null));
  });
  vi.stubGlobal("fetch", load);
  try {
    const page = mount(<App />);
    const shows = (what: string, text: string) => until(what, () => page.element.querySelector("ul.live")?.textContent === text);
    await shows("the list", "1: new2: new");
    expect(early).toBeLessThanOrEqual(1);
    expect(load).toHaveBeenCalledTimes(1 + early);
    await gate.publish("order_7", { type: "order.status", id: 2, status: "paid" }, { type: "order.gone", id: 1 });
    await shows("both events", "2: paid");
    expect(log).toHaveBeenCalledWith("paid");

    orders.splice(0, 2, { id: 3, status: "sent" });
    await gate.kill();
    await until("the loss is shown", () => page.element.querySelector("ul.waiting"));
    await startAgain(gate);
    await shows("what was missed", "3: sent");
    expect(load).toHaveBeenCalledTimes(2 + early);
  } finally {
    vi.unstubAllGlobals();
  }
});
