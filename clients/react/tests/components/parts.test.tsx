// What the components say and do: status, what was missed, the badge's name, the keyboard, and their attributes.

import { ChannelgateProvider } from "@channelgate/react";
import { Badge, ConnectionStatus, Figures, MissedBanner, NotificationList } from "@channelgate/react/components";
import type { Snapshot } from "@channelgate/client";
import { createTestClient } from "@channelgate/client/testing";
import { expect, it, onTestFinished, vi } from "vitest";
import { page, userEvent } from "vitest/browser";

import { frames, mount } from "../support.tsx";
import { fake } from "./fake.ts";
import { Gallery, states } from "./gallery.tsx";

const missed = { reason: "gap" as const, groups: null, since: Date.now() - 60_000, until: Date.now() };

const connected = (client: ReturnType<typeof fake>, node: React.ReactNode) => mount(<ChannelgateProvider client={client}>{node}</ChannelgateProvider>);

it("tells the device's network from the socket", async () => {
  const at = Date.now();
  const said: Record<string, string> = {};
  for (const [name, some] of Object.entries(states(at))) {
    const { element } = connected(fake(some), <ConnectionStatus />);
    await expect.poll(() => element.querySelector("[data-cg=text]")).not.toBeNull();
    said[name] = element.querySelector("[data-cg=text]")?.textContent?.replace(/\d+/, "#") ?? "";
  }
  expect(said).toEqual({
    idle: "Not connected",
    connecting: "Connecting",
    open: "Connected",
    reconnecting: "Reconnecting, again in # s",
    offline: "Waiting for network",
    unauthorized: "Session ended",
    failed: "Connection failed, again in # s",
    closed: "Disconnected",
  });
});

it("counts the seconds until the next attempt down, and says no seconds while it is made", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const { element } = connected(fake({ status: "reconnecting", retryAt: Date.now() + 1_400 }), <ConnectionStatus />);
  const text = () => element.querySelector("[data-cg=text]")?.textContent;
  await frames();
  expect(text()).toBe("Reconnecting, again in 2 s");
  vi.advanceTimersByTime(500);
  await frames();
  expect(text()).toBe("Reconnecting, again in 1 s");
  vi.advanceTimersByTime(1_000);
  await frames();
  expect(text()).toBe("Reconnecting");
});

it.each<Snapshot["status"]>(["failed", "unauthorized"])("has a button at %s, which connects again", async (status) => {
  const client = fake({ status });
  connected(client, <ConnectionStatus />);
  await page.getByRole("button", { name: "Try again" }).click();
  expect(client.reconnect).toHaveBeenCalledOnce();
});

it("has no button in any other state", async () => {
  for (const status of ["idle", "connecting", "open", "reconnecting", "offline", "closed"] as const) {
    const { element } = connected(fake({ status }), <ConnectionStatus />);
    await expect.poll(() => element.querySelector("[data-cg=state]")).not.toBeNull();
    expect(element.querySelector("button")).toBeNull();
  }
});

it("does at the button what the application wants, for example its login", async () => {
  const client = fake({ status: "unauthorized" });
  const onRetry = vi.fn();
  connected(client, <ConnectionStatus onRetry={onRetry} labels={{ tryAgain: "Sign in" }} />);
  await page.getByRole("button", { name: "Sign in" }).click();
  expect(onRetry).toHaveBeenCalledOnce();
  expect(client.reconnect).not.toHaveBeenCalled();
});

it("shows the quality of the connection", async () => {
  const { element } = connected(fake({ latency: 12.3, drops: 2, attempt: 1, queued: 3 }), <ConnectionStatus showDetails />);
  await expect.poll(() => [...element.querySelectorAll("[data-cg=fact]")].map((fact) => fact.textContent)).toEqual([
    "Latency12 ms",
    "Nodenode-2",
    "Attempts1",
    "Drops2",
    "Queued3",
  ]);
});

it("offers to load anew only when something was missed", async () => {
  const client = fake();
  let done: (() => void) | undefined;
  const load = vi.fn(() => new Promise<void>((resolve) => (done = resolve)));
  const { element } = connected(client, <MissedBanner load={load} />);
  const banner = () => element.querySelector("[data-cg=missed]");
  await frames();
  expect(banner()).toBeNull();
  client.become({ recovery: "missed", missed });
  await page.getByRole("button", { name: "Load anew" }).click();
  await expect.poll(() => banner()?.textContent).toBe("Loading missed updates");
  expect(client.fresh).not.toHaveBeenCalled();
  done?.();
  await expect.poll(banner).toBeNull();
  expect(load).toHaveBeenCalledOnce();
  expect(client.fresh).toHaveBeenCalledOnce();
});

it("offers it again when loading failed, and has no button while handlers load", async () => {
  const client = fake({ recovery: "missed", missed });
  const { element } = connected(client, <MissedBanner load={() => Promise.reject(new Error("503"))} />);
  const reported = vi.fn((event: PromiseRejectionEvent) => event.preventDefault());
  window.addEventListener("unhandledrejection", reported, { once: true });
  await page.getByRole("button", { name: "Load anew" }).click();
  await expect.poll(() => element.querySelector("button")?.textContent).toBe("Load anew");
  expect(client.fresh).not.toHaveBeenCalled();
  expect(reported).toHaveBeenCalledOnce();
  client.become({ recovery: "recovering" });
  await expect.poll(() => element.querySelector("button")).toBeNull();
  expect(element.querySelector("[data-cg=missed]")?.textContent).toBe("Loading missed updates");
});

it("follows the real state machine: lost, missed, loaded anew, refused, tried again", async () => {
  const client = createTestClient({ random: 0.5 });
  const load = vi.fn();
  const { element } = mount(
    <ChannelgateProvider client={client}>
      <ConnectionStatus />
      <MissedBanner load={load} />
    </ChannelgateProvider>,
  );
  const text = () => element.querySelector("[data-cg=state]")?.textContent?.replace(/\d+/, "#");
  const banner = () => element.querySelector("[data-cg=missed] [data-cg=text]")?.textContent?.replace(/[\d:]+/g, "#").replace(/\s/g, " ");
  await expect.poll(text).toBe("Connecting");
  client.open();
  await expect.poll(text).toBe("Connected");
  expect(banner()).toBeUndefined();
  client.drop();
  await expect.poll(text).toBe("Reconnecting, again in # s");
  client.open();
  await expect.poll(banner).toMatch(/^Updates between # .M and # .M may be missing\.$/);
  await page.getByRole("button", { name: "Load anew" }).click();
  await expect.poll(banner).toBeUndefined();
  expect(load).toHaveBeenCalledOnce();
  expect(client.snapshot().recovery).toBe("live");
  client.drop(4403);
  await expect.poll(text).toBe("Session ended");
  await page.getByRole("button", { name: "Try again" }).click();
  client.open();
  await expect.poll(text).toBe("Connected");
});

it.each([
  [0, "Notifications", undefined],
  [3, "Notifications, 3 unread", "3"],
  [99, "Notifications, 99 unread", "99"],
  [120, "Notifications, 120 unread", "99+"],
])("names a badge of %i", async (count, name, shown) => {
  const onClick = vi.fn();
  const { element } = mount(<Badge count={count} onClick={onClick} />);
  await page.getByRole("button", { name, exact: true }).click();
  expect(onClick).toHaveBeenCalledOnce();
  expect(element.querySelector("[data-cg=count]")?.textContent).toBe(shown);
});

it("keeps a badge's name with an icon of the application", async () => {
  const { element } = mount(<Badge count={3}><svg /></Badge>);
  await expect.poll(() => element.querySelector("svg")).not.toBeNull();
  expect(element.querySelector("button")).toHaveAccessibleName("Notifications, 3 unread");
});

it("walks through every control by the keyboard, in the order of the page", async () => {
  const { element } = mount(<Gallery />);
  await expect.poll(() => element.querySelectorAll("[data-cg=dismiss]")).toHaveLength(4);
  const names: (string | undefined)[] = [];
  for (let left = element.querySelectorAll("button").length; left > 0; left--) {
    await userEvent.tab();
    const focused = document.activeElement;
    names.push(focused?.getAttribute("aria-label") ?? focused?.querySelector("[data-cg=text]")?.textContent ?? focused?.textContent ?? undefined);
  }
  expect(names).toEqual([
    "Try again",
    "Try again",
    "Notifications",
    "Notifications, 3 unread",
    "Notifications, 42 unread",
    "Notifications, 120 unread",
    "Load anew",
    "Mark all read",
    "Dismiss: John Doe",
    "Dismiss: Attendance marked",
    "Dismiss: Work order WO-1042",
    "Dismiss: Session is not active",
  ]);
});

it("works by Enter and Space", async () => {
  const onMarkAllRead = vi.fn();
  const onClick = vi.fn();
  mount(
    <>
      <Badge count={1} onClick={onClick} />
      <NotificationList items={[{ id: 1, title: "New", seen: false }]} onMarkAllRead={onMarkAllRead} />
    </>,
  );
  await frames();
  await userEvent.tab();
  await userEvent.keyboard("{Enter} ");
  expect(onClick).toHaveBeenCalledTimes(2);
  await userEvent.tab();
  await userEvent.keyboard(" {Enter}");
  expect(onMarkAllRead).toHaveBeenCalledTimes(2);
});

it("names the part of every element, and gives it a class of the application", async () => {
  const client = fake({ status: "failed", retryAt: Date.now() + 60_000, recovery: "missed", missed });
  const classNames = { state: "my-state", icon: "my-icon", fact: "my-fact", button: "my-button" };
  const { element } = connected(
    client,
    <>
      <ConnectionStatus showDetails className="my-status" classNames={classNames} />
      <MissedBanner className="my-missed" />
      <Figures className="my-figures" heading="Today" figures={[{ term: "Present", value: 1 }]} />
      <NotificationList className="my-list" items={[{ id: 1, title: "New", body: "Text", at: 1, data: { a: 1 }, seen: false }]} />
    </>,
  );
  await expect.poll(() => element.querySelector(".my-list")).not.toBeNull();
  const parts = (of: ParentNode) => [...of.querySelectorAll("*")].filter((one) => !one.closest("[role=status],[role=alert]") || one.hasAttribute("role"));
  expect(parts(element).filter((one) => !one.hasAttribute("data-cg")).map(({ outerHTML }) => outerHTML)).toEqual([]);
  expect(parts(element).filter((one) => !one.classList.contains(`cg-${one.getAttribute("data-cg") ?? ""}`))).toEqual([]);
  for (const [part, name] of Object.entries(classNames)) expect(element.querySelector(`.my-status .${name}`)?.getAttribute("data-cg"), part).toBe(part);
  expect([...element.querySelectorAll(".my-status,.my-missed,.my-figures,.my-list")].map((one) => one.getAttribute("data-cg"))).toEqual(["status", "missed", "figures", "list"]);
});

it("has no class of its own when it is unstyled", async () => {
  const { element } = mount(<Gallery unstyled />);
  await expect.poll(() => element.querySelector("[data-cg=toasts]")).not.toBeNull();
  const own = [...element.querySelectorAll("[class*='cg-']")].filter((one) => !one.closest("[data-cg=announcer]"));
  expect(own.map(({ outerHTML }) => outerHTML)).toEqual([]);
});
