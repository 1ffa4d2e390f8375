// What a screen reader says: the log of the live regions, word by word.

import { ChannelgateProvider } from "@channelgate/react";
import { Announcer, ConnectionStatus, MissedBanner, Toasts, useToasts, type Toaster } from "@channelgate/react/components";
import { en } from "@channelgate/react/labels/en";
import { useEffect } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { frames, mount } from "../support.tsx";
import { fake, type Fake } from "./fake.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const taken: Partial<Toaster> = {};
function Take() {
  const toaster = useToasts();
  useEffect(() => {
    Object.assign(taken, toaster);
  });
  return null;
}

/** Mounts components with a client, and writes down what their live regions say: "status: …", "alert: …". */
async function listen(some: Parameters<typeof fake>[0] = {}) {
  const client = fake(some);
  const log: string[] = [];
  const { element } = mount(
    <ChannelgateProvider client={client}>
      <Take />
      <ConnectionStatus />
      <ConnectionStatus />
      <MissedBanner load={() => undefined} />
      <Toasts />
    </ChannelgateProvider>,
  );
  await frames();
  new MutationObserver((records) => {
    for (const { target, addedNodes } of records) {
      const role = (target as Element).closest("[role=status],[role=alert]")?.getAttribute("role");
      if (role) for (const node of addedNodes) log.push(`${role}: ${node.textContent ?? ""}`);
    }
  }).observe(element, { childList: true, subtree: true });
  return { client, element, log };
}

/** Lets time pass, and React and the browser do what is due. */
async function pass(milliseconds: number) {
  await frames();
  await vi.advanceTimersByTimeAsync(milliseconds);
  await frames();
}

async function become(client: Fake, some: Parameters<Fake["become"]>[0], milliseconds: number) {
  client.become(some);
  await pass(milliseconds);
}

it("has one region for each of both urgencies per provider, empty, from the first render", async () => {
  const html = renderToString(
    <ChannelgateProvider client={fake()}>
      <Announcer />
    </ChannelgateProvider>,
  );
  expect(html).toContain('<div role="status" data-cg="live" class="cg-live"></div><div role="alert" data-cg="alert" class="cg-alert"></div>');
  const { element } = await listen();
  expect(element.querySelectorAll("[role=status]")).toHaveLength(1);
  expect(element.querySelectorAll("[role=alert]")).toHaveLength(1);
  expect(element.querySelector("[data-cg=announcer]")?.textContent).toBe("");
});

it("hands the region on when the component that brought it along is gone", async () => {
  const client = fake();
  const Page = ({ both }: { both: boolean }) => (
    <ChannelgateProvider client={client}>
      {both && <ConnectionStatus />}
      <Toasts />
    </ChannelgateProvider>
  );
  const { element, render } = mount(<Page both />);
  await frames();
  expect(element.querySelectorAll("[role=status]")).toHaveLength(1);
  render(<Page both={false} />);
  await frames();
  expect(element.querySelectorAll("[role=status]")).toHaveLength(1);
});

it("says a status after 2 s of being so, and nothing of a blip", async () => {
  const { client, log } = await listen();
  await pass(1_900);
  expect(log).toEqual([]);
  await pass(200);
  expect(log).toEqual(["status: Connected"]);
  await become(client, { status: "reconnecting" }, 1_900);
  await become(client, { status: "open" }, 10_000);
  expect(log).toEqual(["status: Connected"]);
  await become(client, { status: "reconnecting", retryAt: Date.now() + 9_000 }, 2_100);
  await become(client, { status: "offline", retryAt: null }, 2_100);
  await become(client, { status: "open" }, 2_100);
  expect(log).toEqual(["status: Connected", "status: Reconnecting", "status: Waiting for network", "status: Connected"]);
});

it("says the ended session and the failed connection as alerts, and takes them back", async () => {
  const { client, element, log } = await listen();
  await pass(2_100);
  await become(client, { status: "failed" }, 2_100);
  await become(client, { status: "unauthorized" }, 2_100);
  expect(element.querySelector("[role=alert]")?.textContent).toBe("Session ended");
  await become(client, { status: "open" }, 2_100);
  expect(log).toEqual(["status: Connected", "alert: Connection failed", "alert: Session ended", "status: Connected"]);
  expect(element.querySelector("[role=alert]")?.textContent).toBe("");
});

it("says an update at once, and those of the next 5 s counted", async () => {
  const { log } = await listen({ status: "idle" });
  const update = (name: string) => taken.show?.({ title: name, body: "Present", counts: en.newAttendance });
  update("John Doe");
  await pass(100);
  expect(log).toEqual(["status: John Doe\nPresent"]);
  for (const name of ["Jane Doe", "Tia Reyes", "Ben Cruz", "Ana Lim"]) {
    update(name);
    await pass(1_000);
  }
  expect(log).toHaveLength(1);
  await pass(1_000);
  expect(log).toEqual(["status: John Doe\nPresent", "status: 4 new attendance updates"]);
  update("Ben Cruz");
  await pass(5_000);
  expect(log.slice(2)).toEqual(["status: Ben Cruz\nPresent"]);
});

it("counts updates of several kinds as updates, and says the same text twice if it comes twice", async () => {
  const { log } = await listen({ status: "idle" });
  taken.show?.({ title: "Saved" });
  await pass(5_100);
  taken.show?.({ title: "Saved" });
  await pass(100);
  taken.show?.({ title: "John Doe", counts: en.newAttendance });
  taken.show?.({ title: "WO-1042", counts: en.newWorkOrders });
  await pass(5_100);
  expect(log).toEqual(["status: Saved", "status: Saved", "status: 2 new updates"]);
});

it("says an error at once as an alert", async () => {
  const { log } = await listen({ status: "idle" });
  taken.show?.({ title: "Saved" });
  await pass(100);
  taken.show?.({ title: "Session is not active", kind: "error" });
  await pass(100);
  expect(log).toEqual(["status: Saved", "alert: Session is not active"]);
});

it("says that updates may be missing, once", async () => {
  vi.setSystemTime(new Date(2026, 10, 27, 10, 4, 23));
  const { client, log } = await listen({ status: "idle" });
  await become(client, { recovery: "missed", missed: { reason: "gap", groups: null, since: Date.now() - 120_000, until: Date.now() } }, 10_000);
  expect(log.map((line) => line.replace(/\s/g, " "))).toEqual(["status: Updates between 10:02:23 AM and 10:04:23 AM may be missing."]);
});
