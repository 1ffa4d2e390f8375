// Browser notifications: asked for by a click only, "denied" is remembered, and a page in front shows a toast.

import { ChannelgateProvider } from "@channelgate/react";
import { Toasts } from "@channelgate/react/components";
import { NotificationPermission, useBrowserNotifications, type BrowserNotifications } from "@channelgate/react/notifications";
import { useEffect } from "react";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { page, userEvent } from "vitest/browser";

import { frames, mount } from "../support.tsx";
import { fake } from "./fake.ts";
import { browser } from "./page.ts";

/** Answers the question for notifications, as the browser's settings do. */
async function permit(setting: "granted" | "denied" | "prompt") {
  const { targetInfo } = (await browser().send("Target.getTargetInfo")) as { targetInfo: { browserContextId: string } };
  await browser().send("Browser.setPermission", { permission: { name: "notifications" }, setting, origin: location.origin, browserContextId: targetInfo.browserContextId });
}

beforeEach(async () => {
  await permit("prompt");
  await expect.poll(() => Notification.permission).toBe("default");
  localStorage.removeItem("channelgate:notifications");
});
afterAll(() => permit("prompt"));

const notifications = {} as BrowserNotifications;
function Take() {
  const taken = useBrowserNotifications();
  useEffect(() => {
    Object.assign(notifications, taken);
  });
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

/** The question of the browser, with the user's answer. Headless there is nobody to give one. */
function answer(setting: "granted" | "denied") {
  return vi.spyOn(Notification, "requestPermission").mockImplementation(async () => {
    await permit(setting);
    await expect.poll(() => Notification.permission).toBe(setting);
    return setting;
  });
}

const inFront = async (is: boolean) => {
  (is ? window : window.parent).focus();
  await expect.poll(() => document.hasFocus()).toBe(is);
};

/** The notifications that the browser shows. */
function shown() {
  const all: Notification[] = [];
  class Recorded extends Notification {
    constructor(title: string, options?: NotificationOptions) {
      super(title, options);
      all.push(this);
    }
  }
  vi.stubGlobal("Notification", Recorded);
  return all;
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

it("asks nothing without a click", async () => {
  const question = answer("granted");
  await show();
  expect(navigator.userActivation.isActive).toBe(false);
  expect(await notifications.ask()).toBe("default");
  expect(question).not.toHaveBeenCalled();
});

it("asks by its button, and says that they are on", async () => {
  const question = answer("granted");
  const { element } = await show();
  await page.getByRole("button", { name: "Notify me in the background" }).click();
  await expect.poll(() => element.querySelector("[data-cg=notify]")?.textContent).toBe("Background notifications are on");
  expect(element.querySelector("output")?.textContent).toBe("granted");
  expect(question).toHaveBeenCalledOnce();
});

it("remembers a denial, and does not ask again", async () => {
  const question = answer("denied");
  const { element } = await show();
  const said = () => element.querySelector("[data-cg=notify]")?.textContent;
  await page.getByRole("button", { name: "Notify me in the background" }).click();
  await expect.poll(said).toBe("Notifications are blocked in the browser's settings");
  expect(element.querySelector("[data-cg=notify] button")).toBeNull();
  expect(await notifications.ask()).toBe("denied");
  expect(question).toHaveBeenCalledOnce();
  expect(localStorage.getItem("channelgate:notifications")).toBe("denied");
  // The user changes it in the browser's settings.
  await permit("prompt");
  await expect.poll(said).toBe("Notify me in the background");
  expect(localStorage.getItem("channelgate:notifications")).toBeNull();
});

it("remembers a denial that the browser has forgotten", async () => {
  const question = answer("granted");
  localStorage.setItem("channelgate:notifications", "denied");
  const { element } = await show();
  expect(element.querySelector("output")?.textContent).toBe("denied");
  await userEvent.click(element);
  expect(await notifications.ask()).toBe("denied");
  expect(question).not.toHaveBeenCalled();
});

it("shows a toast on a page in front", async () => {
  await permit("granted");
  await expect.poll(() => Notification.permission).toBe("granted");
  const all = shown();
  const { toasts } = await show();
  await inFront(true);
  expect(notifications.notify({ title: "John Doe", body: "Present" })).toBe("toast");
  await expect.poll(toasts).toEqual(["John Doe"]);
  expect(all).toEqual([]);
});

it("shows a notification in the background, whose click brings the page to the front", async () => {
  await permit("granted");
  await expect.poll(() => Notification.permission).toBe("granted");
  const all = shown();
  const onClick = vi.fn();
  const { toasts } = await show();
  await inFront(false);
  expect(notifications.notify({ title: "John Doe", body: "Present", tag: "7", onClick })).toBe("notification");
  const [notification] = all;
  await new Promise((resolve, reject) => {
    notification?.addEventListener("show", resolve);
    notification?.addEventListener("error", () => reject(new Error("It was not shown.")));
  });
  expect(notification).toMatchObject({ title: "John Doe", body: "Present", tag: "7" });
  const focus = vi.spyOn(window, "focus");
  notification?.dispatchEvent(new Event("click"));
  expect(onClick).toHaveBeenCalledOnce();
  expect(focus).toHaveBeenCalledOnce();
  expect(toasts()).toEqual([]);
});

it("keeps a toast for later in the background without the permission", async () => {
  const { toasts } = await show();
  await inFront(false);
  expect(notifications.notify({ title: "John Doe" })).toBe("toast");
  await expect.poll(toasts).toEqual(["John Doe"]);
});

it("takes the service worker where pages have no constructor, as on Android", async () => {
  const showNotification = vi.fn(() => Promise.resolve());
  vi.stubGlobal(
    "Notification",
    class {
      static permission = "granted";
      constructor() {
        throw new TypeError("Illegal constructor. Use ServiceWorkerRegistration.showNotification() instead.");
      }
    },
  );
  vi.spyOn(navigator.serviceWorker, "getRegistration").mockResolvedValue({ showNotification } as unknown as ServiceWorkerRegistration);
  await show();
  await inFront(false);
  expect(notifications.notify({ title: "John Doe", tag: "7" })).toBe("notification");
  await expect.poll(() => showNotification.mock.calls).toEqual([["John Doe", { tag: "7" }]]);
});

it("is unsupported without the browser's notifications, and shows no button", async () => {
  vi.stubGlobal("Notification", undefined);
  const { element } = await show();
  expect(element.querySelector("output")?.textContent).toBe("unsupported");
  expect(element.querySelector("[data-cg=notify]")).toBeNull();
  expect(await notifications.ask()).toBe("unsupported");
  expect(notifications.notify({ title: "John Doe" })).toBe("toast");
});
