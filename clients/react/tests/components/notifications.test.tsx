// Browser notifications: asked for by a click only, "denied" is remembered, and a page in front shows a toast.

import { ChannelgateProvider } from "@channelgate/react";
import { Toasts } from "@channelgate/react/components";
import { NotificationPermission, useBrowserNotifications, type BrowserNotifications } from "@channelgate/react/notifications.tsx";
import { afterAll, beforeEach, expect, it, vi } from "vitest";
import { page } from "vitest/browser";

import { frames, mount } from "../support.tsx";
import { fake } from "./fake.ts";
import { browser } from "./page.ts";

const permit = (setting: "granted" | "denied" | "prompt") => browser().send("Browser.setPermission", { permission: { name: "notifications" }, setting, origin: location.origin });

beforeEach(async () => {
  await permit("prompt");
  await expect.poll(() => Notification.permission).toBe("default");
  localStorage.removeItem("channelgate:notifications");
});
afterAll(() => permit("prompt"));

let notifications: BrowserNotifications;
function Take() {
  const taken = useBrowserNotifications();
  notifications = taken;
  return <output>{taken.permission}</output>;
}

async function show() {
  const { element } = mount(
    <ChannelgateProvider client={fake()}>
      <Take />
      <NotificationPermission />
      <Toasts />
    </ChannelgateProvider>,
  );
  await frames();
  return { element, toasts: () => [...element.querySelectorAll("[data-cg=toast]")].map((toast) => toast.querySelector("[data-cg=title]")?.textContent) };
}

it("shows the state", async () => {
  const { element } = await show();
  expect(element.querySelector("output")?.textContent).toBe("default");
  console.log(Notification.permission, navigator.userActivation.isActive);
});
