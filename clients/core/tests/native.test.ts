// React Native's AppState and NetInfo as the lifecycle of a client.

import { describe, expect, it, onTestFinished, vi } from "vitest";

import { webSocket } from "@channelgate/client";
import { fromAppState } from "@channelgate/client/native";

/** An AppState and a NetInfo that a test controls. */
function device(currentState = "active") {
  const app = new Set<(state: string) => void>();
  const net = new Set<(state: { isConnected: boolean | null }) => void>();
  return {
    AppState: {
      currentState,
      addEventListener: (type: "change", listener: (state: string) => void) => {
        expect(type).toBe("change");
        app.add(listener);
        return { remove: () => void app.delete(listener) };
      },
    },
    NetInfo: {
      addEventListener: (listener: (state: { isConnected: boolean | null }) => void) => {
        net.add(listener);
        return () => void net.delete(listener);
      },
    },
    enter(state: string) {
      this.AppState.currentState = state;
      app.forEach((listener) => listener(state));
    },
    connected: (isConnected: boolean | null) => net.forEach((listener) => listener({ isConnected })),
    listeners: () => app.size + net.size,
  };
}

describe("fromAppState", () => {
  it("is hidden in the background, and not while something lies over the app", () => {
    const phone = device();
    const lifecycle = fromAppState(phone.AppState);
    const told: string[] = [];
    lifecycle.watch((what) => told.push(what));
    for (const state of ["inactive", "active"]) phone.enter(state);
    expect(told).toEqual([]);
    for (const state of ["inactive", "background"]) phone.enter(state);
    expect([told, lifecycle.hidden()]).toEqual([["hidden"], true]);
    for (const state of ["inactive", "active", "active"]) phone.enter(state);
    expect([told, lifecycle.hidden()]).toEqual([["hidden", "visible"], false]);
  });

  it("says that it is visible again if it began in the background", () => {
    const phone = device("background");
    const lifecycle = fromAppState(phone.AppState);
    const told: string[] = [];
    lifecycle.watch((what) => told.push(what));
    phone.enter("active");
    expect(told).toEqual(["visible"]);
  });

  it("does not know the network until NetInfo says it, and never without NetInfo", () => {
    const phone = device();
    const lifecycle = fromAppState(phone.AppState, phone.NetInfo);
    const told: string[] = [];
    lifecycle.watch((what) => told.push(what));
    expect(lifecycle.online()).toBeNull();
    for (const isConnected of [null, true, true, false, null, true]) phone.connected(isConnected);
    expect(told).toEqual(["online", "offline", "online"]);
    expect(lifecycle.online()).toBe(true);
    expect(fromAppState(phone.AppState).online()).toBeNull();
  });

  it("listens to nothing any more when it is ended", () => {
    const phone = device();
    const end = fromAppState(phone.AppState, phone.NetInfo).watch(() => undefined);
    expect(phone.listeners()).toBe(2);
    end();
    expect(phone.listeners()).toBe(0);
  });
});

/** React Native's URL can be read, and only its search parameters can be changed. */
class NativeURL extends URL {
  override get href(): string {
    return super.href;
  }
  override get protocol(): string {
    return super.protocol;
  }
}

it("connects with the URL of React Native", () => {
  const urls: string[] = [];
  class Socket {
    readyState = 0;
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;
    constructor(url: string) {
      urls.push(url);
    }
    send = () => undefined;
    close = () => undefined;
  }
  vi.stubGlobal("URL", NativeURL);
  onTestFinished(() => void vi.unstubAllGlobals());
  const url = new URL("https://example.org/ws/orders/");
  webSocket({ WebSocket: Socket }).open({ url, token: "t", tokenIn: "query" }, { opened: () => undefined, frame: () => undefined, closed: () => undefined });
  expect(urls).toEqual(["wss://example.org/ws/orders/?cg=1&token=t"]);
});
