// Providers that come and go on a page with a real node: there is one socket at a time.

import { ChannelgateProvider, useEvent, useStatus, type ChannelgateProviderProps } from "@channelgate/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { mount } from "./presets.js";
import { startGate, until } from "./rig.js";

/** The page's sockets. They stay real. */
const sockets: WebSocket[] = [];
/** How many were not closed yet when another one was made. */
let most = 0;

beforeEach(() => {
  sockets.length = most = 0;
  class Counted extends WebSocket {
    constructor(...all: ConstructorParameters<typeof WebSocket>) {
      super(...all);
      sockets.push(this);
      most = Math.max(most, sockets.filter(({ readyState }) => readyState <= WebSocket.OPEN).length);
    }
  }
  vi.stubGlobal("WebSocket", Counted);
});
afterEach(() => vi.unstubAllGlobals());

const heard = vi.fn();

function Page() {
  useEvent("client_create", heard);
  return useStatus(({ status }) => status);
}

it("has one socket at a time when providers are mounted anew, and when their address changes", async () => {
  const gate = await startGate({ presets: ["feed"] });
  const tree = (key: number, props: Partial<ChannelgateProviderProps> = {}) => (
    <ChannelgateProvider key={key} {...(props as object)} url={`${gate.ws("/ws/")}?page=${key % 7}`}>
      <i data-key={key}>
        <Page />
      </i>
    </ChannelgateProvider>
  );
  const page = mount(tree(0));
  const isOpen = (count: number) => until("the connection", () => sockets.length === count && page.text() === "open");
  await isOpen(1);
  // To another page and back, each as soon as the one before is open.
  for (let key = 1; key <= 5; key++) {
    page.render(tree(key));
    await isOpen(key + 1);
  }
  // The same provider with another address.
  const same = (number: number) => <ChannelgateProvider url={`${gate.ws("/ws/")}?page=${number}`}>{<Page />}</ChannelgateProvider>;
  for (let number = 0; number < 5; number++) {
    page.render(same(number));
    await isOpen(number + 7);
  }
  // Faster than it connects.
  for (let key = 10; key < 30; key++) {
    page.render(tree(key));
    if (key % 3 === 0) await new Promise((resolve) => void requestAnimationFrame(resolve));
  }
  // Of one that was there for a moment it may still say "open".
  await until("the last connection", () => page.element.querySelector('[data-key="29"]')?.textContent === "open");
  expect(most).toBe(1);
  await until("the node has one connection", async () => (await gate.metric("channelgate_connections")) === 1);
  heard.mockClear();
  await gate.publish("broadcast", { type: "send_event", event: "client_create", data: { number: 1 } });
  await until("the event", () => heard.mock.calls.length > 0);
  expect(heard).toHaveBeenCalledTimes(1);
  page.unmount();
  await until("the end", async () => (await gate.metric("channelgate_connections")) === 0);
});
