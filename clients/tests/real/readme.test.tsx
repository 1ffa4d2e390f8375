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
  class Socket extends WebSocket {
    constructor(url: string | URL, protocols?: string[]) {
      const { pathname, search } = new URL(url);
      super(gate.ws(pathname + search), protocols);
    }
  }
  vi.stubGlobal("WebSocket", Socket);
  const orders = [{ id: 1, status: "new" }, { id: 2, status: "new" }];
  const load = vi.fn((url: string) => Promise.resolve(Response.json(url === "/api/orders/" ? orders : null)));
  vi.stubGlobal("fetch", load);
  try {
    const begun = performance.now();
    const page = mount(<App />);
    const shows = (what: string, text: string) => until(what, () => page.element.querySelector("ul.live")?.textContent === text);
    await shows("the list", "1: new2: new");
    // The list waits half a second for the connection, and loads again when it comes later.
    const loads = load.mock.calls.length;
    expect(loads).toBeLessThanOrEqual(performance.now() - begun < 500 ? 1 : 2);
    await gate.publish("order_7", { type: "order.status", id: 2, status: "paid" }, { type: "order.gone", id: 1 });
    await shows("both events", "2: paid");
    expect(log).toHaveBeenCalledWith("paid");

    orders.splice(0, 2, { id: 3, status: "sent" });
    await gate.kill();
    await until("the loss is shown", () => page.element.querySelector("ul.waiting"));
    await startAgain(gate);
    await shows("what was missed", "3: sent");
    expect(load).toHaveBeenCalledTimes(loads + 1);
  } finally {
    vi.unstubAllGlobals();
  }
});
