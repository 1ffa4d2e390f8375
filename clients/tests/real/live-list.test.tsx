// A live list against a real node, while what it lists is changed all the time and the node is killed: in the end it
// shows what there is.

import { ChannelgateProvider, useLiveList, useStatus } from "@channelgate/react";
import type { ReactNode } from "react";
import { expect, it } from "vitest";

import { mount, startAgain } from "./presets.js";
import { startGate, until } from "./rig.js";

interface Visitor {
  id: number;
  visits: number;
}

/** What the application's database has. */
const visitors = new Map<number, Visitor>();
let loads = 0;

/** Takes a while, so that changes come between the answer and its arrival. */
async function load(): Promise<Visitor[]> {
  loads += 1;
  const answer = [...visitors.values()].map((visitor) => ({ ...visitor }));
  await new Promise((resolve) => setTimeout(resolve, 60));
  return answer;
}

function Visitors() {
  const { items, status, recovery } = useLiveList<Visitor>({
    load,
    key: ({ id }) => id,
    events: { upsert: ["client_create", "client_update"], remove: ["client_delete"] },
    sort: (a, b) => a.id - b.id,
  });
  return `${status} ${recovery} ${items.map(({ id, visits }) => `${id}:${visits}`).join(" ")}`;
}

function Status() {
  return useStatus(({ status }) => status);
}

const expected = () => `ready live ${[...visitors.values()].sort((a, b) => a.id - b.id).map(({ id, visits }) => `${id}:${visits}`).join(" ")}`;

it("shows what there is after changes without a pause and a node that was killed", async () => {
  const gate = await startGate({ presets: ["feed"] });
  let next = 0;
  let isChanging = true;
  /** A change in the database, and then its event, which is lost while there is no node. No visitor is changed for long. */
  const change = async () => {
    const [turn, what] = [Math.floor(next / 3), next++ % 3];
    const [event, id] = ([["client_create", turn], ["client_update", turn - 4], ["client_delete", turn - 8]] as const)[what as 0 | 1 | 2];
    const known = visitors.get(id);
    if (event !== "client_create" && (!known || (event === "client_delete" && id % 2 === 1))) return;
    const visitor = { id, visits: (known?.visits ?? 0) + 1 };
    if (event === "client_delete") visitors.delete(id);
    else visitors.set(id, visitor);
    await gate.publish("broadcast", { type: "send_event", event, data: visitor }).catch(() => undefined);
  };
  const changes = (async () => {
    while (isChanging) await change();
  })();
  await until("the first changes", () => next > 20);

  // A list that has waited half a second for the connection loads without it, and again when it is open.
  const tree = (list: ReactNode) => <ChannelgateProvider url={gate.ws("/ws/")}>{list}</ChannelgateProvider>;
  const page = mount(tree(<Status />));
  await until("the connection", () => page.text() === "open");
  page.render(tree(<Visitors />));
  await until("the list", () => page.text().startsWith("ready live"));
  expect(loads).toBe(1);
  const before = next;
  await until("changes while it is shown", () => next > before + 50);
  await gate.kill();
  await until("changes while there is no node", () => next > before + 70);
  await startAgain(gate);
  await until("the second load", () => loads === 2 && page.text().startsWith("ready live"));
  await until("changes after it", () => next > before + 120);
  isChanging = false;
  await changes;
  await expect.poll(page.text).toBe(expected());
  expect(loads).toBe(2);
});
