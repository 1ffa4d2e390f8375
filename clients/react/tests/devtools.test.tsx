// The devtools, over a client as any application has it.

import { ChannelgateProvider, useLiveList, useRoom, useStatus } from "@channelgate/react";
import { ChannelgateDevtools } from "@channelgate/react/devtools";
import { createClient } from "@channelgate/client";
import { renderToString } from "react-dom/server";
import { expect, it } from "vitest";

import { mount, noConsoleErrors, scripted } from "./support.js";

noConsoleErrors();

function App() {
  useRoom("work_order_1");
  const { status } = useLiveList({ load: () => Promise.resolve([]), key: String, events: {} });
  return (
    <p>
      {useStatus((now) => `${now.status} ${now.recovery}`)} {status}
    </p>
  );
}

async function show() {
  const transport = scripted();
  const client = createClient({ url: "/ws/", transport, token: () => "secret-token" });
  const page = mount(
    <ChannelgateProvider client={client} name="shop">
      <ChannelgateDevtools open />
      <App />
    </ChannelgateProvider>,
  );
  const part = (name: string) => page.element.querySelector(`[data-cg="devtools${name && `-${name}`}"]`)?.textContent ?? "";
  const press = (name: string) => [...page.element.querySelectorAll("button")].find(({ textContent }) => textContent === name)?.click();
  await expect.poll(() => part("")).toContain("Channelgate: open");
  return { transport, client, page, part, press };
}

it("shows the connection, what is wanted, transitions and frames, and no token", async () => {
  const { transport, client, page, part } = await show();
  expect(part("wanted")).toContain("room work_order_1 × 1: asked for");
  expect(part("transitions")).toMatch(/\d\d:\d\d:\d\d\.\d{3} connecting.*open/);
  transport.last.receive("hello", { v: 1, node: "node-2", id: "abc" });
  transport.last.receive("order", { id: 12, note: "needle" });
  client.send("note", { text: "hay" });
  await expect.poll(() => part("frames")).toMatch(/sent note.*hay.*order.*needle/);
  expect(part("")).toContain("node-2, connection abc");
  const search = page.element.querySelector<HTMLInputElement>("input[type=search]");
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(search, "needle");
  search?.dispatchEvent(new Event("input", { bubbles: true }));
  await expect.poll(() => part("frames")).not.toContain("hay");
  expect(part("frames")).toContain("needle");
  expect(page.element.textContent).not.toContain("secret-token");
});

it("provokes a gap: what runs on a miss runs, and the state says so", async () => {
  const { page, part, press } = await show();
  press("gap");
  await expect.poll(() => part("transitions")).toMatch(/open recovering.*open/);
  await expect.poll(() => page.text()).toContain("open live ready");
});

it("drops the connection for a moment, and connects with a fresh token", async () => {
  const { transport, page, part, press } = await show();
  press("drop");
  // It is closed for two seconds, which a busy machine may sleep through.
  await expect.poll(() => part("transitions")).toContain("closed");
  await expect.poll(page.text).toContain("open live ready");
  expect(transport.sockets).toHaveLength(2);
  press("expire token");
  await expect.poll(() => transport.sockets.length).toBe(3);
  await expect.poll(page.text).toContain("open live ready");
});

it("renders nothing on a server", () => {
  const client = createClient({ url: "/ws/", transport: scripted() });
  const html = renderToString(
    <ChannelgateProvider client={client}>
      <ChannelgateDevtools />
    </ChannelgateProvider>,
  );
  expect(html).toBe('<span hidden=""></span>');
});
