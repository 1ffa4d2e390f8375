// The snippet of the visitor feed's document against a real node that is killed, and the hooks beside it.

import { configure, feedClient, openFeed, useClients, useEmployees, useFeed, useFeedEvent, type Client } from "@channelgate/react/feed";
import { afterEach, expect, it } from "vitest";

import { expectOnce, expectOneSocket, itOnce, log, logged, mount, reaches, startAgain } from "./presets.js";
import { startGate, until } from "./rig.js";

declare global {
  var feedServer: string;
}

afterEach(() => {
  feedClient().disconnect();
  feedClient().fresh();
});

const send = (event: string, data: unknown) => ({ type: "send_event", event, data });
const client = (id: number, more: Partial<Client> = {}) => ({ id, first_seen: "2026-03-02T09:00:00+00:00", last_seen: "2026-03-02T09:00:00+00:00", visit_count: 1, gender: "female", age: 30, image: "/media/1.jpg", visit_histories: [], ...more });

it("runs the snippet over a killed node: it opens again, each event comes once, and the miss is reported", async () => {
  const gate = await startGate({ presets: ["feed"] });
  globalThis.feedServer = gate.url.replace("http", "ws").replace(/\/$/, "");
  const { socket } = await import("../snippets/feed/handling-events.js");
  const seen = () => logged<{ id: number }>("Event data:").map(({ id }) => id);
  const said = (text: string) => log.mock.calls.filter(([first]) => first === text).length;
  await reaches((n) => gate.publish("broadcast", send("client_create", client(n))), seen);
  expect(said("WebSocket connection established.")).toBe(1);
  const missed: string[] = [];
  Object.assign(socket, { onmissed: ({ reason }: { reason: string }) => void missed.push(reason) });

  await gate.kill();
  await until("closed", () => said("WebSocket connection closed.") === 1);
  await startAgain(gate);
  await until("open again", () => said("WebSocket connection established.") === 2);
  await reaches((n) => gate.publish("broadcast", send("client_create", client(n))), seen);
  expectOnce(seen());
  expect(missed).toEqual(["reconnected"]);
  // Neither greetings nor notices of the node itself.
  expect(new Set(logged("Received event:"))).toEqual(new Set(["client_create"]));
  await expectOneSocket(gate);
  socket.close();
  await until("closed for good", async () => said("WebSocket connection closed.") === 2 && (await gate.metric("channelgate_connections")) === 0);
});

itOnce("calls onerror and onclose where nothing listens", async () => {
  const feed = openFeed("ws://127.0.0.1:9/ws/");
  expect(feed.readyState).toBe(0);
  feed.close();
  await until("closed", () => feed.readyState === 3);
});

function Feed({ log: handled, load }: { log: number[]; load?: () => Promise<Client[]> }) {
  const { isConnected, lastEvent } = useFeed();
  useFeedEvent("client_create", ({ id }) => handled.push(id));
  const { items, recovery } = useClients(load ? { load } : {});
  const employees = useEmployees();
  return (
    <>
      <p>{`${isConnected} ${lastEvent?.event} ${recovery}`}</p>
      <ul>
        {items.map(({ id, visit_histories: visits }) => (
          <li key={id}>{`${id}:${visits.map(({ device_id: device }) => device).join("+")}`}</li>
        ))}
      </ul>
      <ol>
        {employees.items.map(({ id, first_name: name }) => (
          <li key={id}>{`${id}:${name}`}</li>
        ))}
      </ol>
    </>
  );
}

const items = (element: Element, list: string) => [...element.querySelectorAll(`${list} li`)].map(({ textContent }) => textContent);

itOnce("keeps visitors and employees up to date, and loads what was missed while the node was dead", async () => {
  const gate = await startGate({ presets: ["feed"] });
  configure({ url: gate.ws("/ws/") });
  const handled: number[] = [];
  const database = [client(1), client(2)] as Client[];
  const page = mount(
    <>
      <Feed log={handled} load={() => Promise.resolve([...database])} />
      <Feed log={[]} load={() => Promise.resolve([...database])} />
    </>,
  );
  const clients = () => items(page.element, "ul").slice(0, page.element.querySelectorAll("ul:first-of-type li").length);
  await until("what was loaded", () => clients().join().includes("1:,2:"));
  await reaches((n) => gate.publish("broadcast", send("client_create", client(1_000 + n))), () => handled.map((n) => n - 1_000));
  await gate.publish("broadcast", send("client_update", client(2, { visit_count: 2 })), send("client_visit_create", { datetime: "2026-03-02T10:00:00+00:00", device_id: 3, client: 2 }));
  await gate.publish("broadcast", send("client_visit_create", { datetime: "2026-03-02T11:00:00+00:00", device_id: 4, client: 2 }));
  // The same visit once, in whichever form its time is written.
  await gate.publish("broadcast", send("client_visit_update", { datetime: "2026-03-02T11:00:00Z", device_id: 4, client: 2 }));
  await gate.publish("broadcast", send("client_delete", { id: 1 }), send("employee_create", { id: 5, first_name: "John" }), send("employee_update", { id: 5, first_name: "Jon" }));
  await until("all of it", () => clients()[0] === "2:3+4" && items(page.element, "ol")[0] === "5:Jon");
  await gate.publish("broadcast", send("client_visit_delete", { datetime: "2026-03-02T10:00:00+00:00", device_id: 3, client: 2 }), send("employee_delete", { id: 5 }));
  await until("deleted", () => clients()[0] === "2:4" && items(page.element, "ol").length === 0);
  expect(page.text()).toContain("true employee_delete live");

  await gate.kill();
  database.push(client(3) as Client);
  await startAgain(gate);
  await until("what was missed", () => clients().includes("3:") && !clients().join().includes("1001"));
  await reaches((n) => gate.publish("broadcast", send("client_create", client(1_000 + n))), () => handled.map((n) => n - 1_000));
  expectOnce(handled);
  await expectOneSocket(gate);
});

itOnce("stays missed where a list has no load, and keeps what it has", async () => {
  const gate = await startGate({ presets: ["feed"] });
  configure({ url: gate.ws("/ws/") });
  const page = mount(<Feed log={[]} />);
  await reaches((n) => gate.publish("broadcast", send("client_create", client(n))), () => items(page.element, "ul").map((text) => parseInt(text ?? "")));
  const before = items(page.element, "ul");
  await gate.kill();
  await startAgain(gate);
  await until("missed", () => page.text().includes("true client_create missed"));
  expect(items(page.element, "ul")).toEqual(before);
});

itOnce("shows a stored list until it is loaded", async () => {
  const gate = await startGate({ presets: ["feed"] });
  configure({ url: gate.ws("/ws/") });
  const persist = { key: "visitors" };
  function Visitors({ load }: { load: () => Promise<Client[]> }) {
    const { items: list, status } = useClients({ load, persist });
    return <p>{`${status} ${list.map(({ id }) => id).join()}`}</p>;
  }
  const page = mount(<Visitors load={() => Promise.resolve([client(1), client(2)] as Client[])} />);
  await until("loaded", () => page.text() === "ready 1,2");
  page.unmount();
  let loaded: (list: Client[]) => void = () => undefined;
  const again = mount(<Visitors load={() => new Promise((resolve) => (loaded = resolve))} />);
  await until("stored", () => again.text() === "cached 1,2");
  await until("the load has begun", () => {
    loaded([client(3)] as Client[]);
    return again.text() === "ready 3";
  });
});
