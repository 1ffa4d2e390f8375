// The snippets of the repair shop's document against a real node that is killed: only their import was changed.

import { useMissed, useStatus } from "@channelgate/react";
import { RealTimeNotificationBadge, RealTimeToasts, useRealTimeWorkOrder, useWebSocket, WebSocketProvider, WebSocketStatus, type WorkOrder } from "@channelgate/react/repair-shop";
import { useEffect } from "react";
import { beforeEach, expect, it, vi } from "vitest";

import { Header } from "../snippets/repair-shop/badge.jsx";
import { MyComponent } from "../snippets/repair-shop/context.jsx";
import { WorkOrderDetail } from "../snippets/repair-shop/work-order.jsx";
import { expectOnce, expectOneSocket, itOnce, mount, reaches, startAgain } from "./presets.js";
import { startGate, until } from "./rig.js";

declare global {
  var initialWorkOrder: WorkOrder;
}

const navigated = vi.fn();

beforeEach(() => {
  globalThis.initialWorkOrder = { id: 12, status: "pending" };
  // The router's function, which the snippet calls by this name.
  Object.assign(globalThis, { navigate: navigated });
});

type Gate = Awaited<ReturnType<typeof startGate>>;

const tokenOf = (gate: Gate, user: number) => gate.token(user, { kind: "jwt:repair_shop", claims: { name: `User ${user}`, role: "technician" } });

/** A node with the repair shop alone, and a login as its user 7. */
async function shop(): Promise<Gate> {
  const gate = await startGate({ presets: ["repair-shop"] });
  localStorage.setItem("token", await tokenOf(gate, 7));
  return gate;
}

const changed = (n: number, workOrderId = 12) => ({
  type: "work_order_updated",
  workOrderId,
  action: "status_changed",
  workOrder: { id: workOrderId, status: `step ${n}`, customer_name: "Chen" },
  data: { oldStatus: "pending", newStatus: `step ${n}`, updatedBy: 1 },
  timestamp: "2026-03-02T09:31:07.000Z",
});

const notification = (id: number) => ({ type: "notification_received", notification: { id, title: `Ready ${id}`, message: "Your phone is ready", read: false }, timestamp: "2026-03-02T09:31:07.000Z" });

const badge = (element: Element) => element.querySelector("[data-cg=badge] [data-cg=text]")?.textContent;

it("runs the three snippets over a killed node: one socket, each notification once, the rooms come back, and the miss is reported", async () => {
  const gate = await shop();
  const events: number[] = [];
  function Probe() {
    const { on } = useWebSocket();
    useEffect(() => on("work_order_updated", ({ workOrder }: { workOrder: WorkOrder }) => events.push(Number(workOrder.status.slice(5)))), [on]);
    return <output>{useStatus(({ status, recovery }) => `${status} ${recovery}`)}</output>;
  }
  const page = mount(
    <WebSocketProvider url={gate.url}>
      <MyComponent />
      <WorkOrderDetail />
      <Header />
      <Probe />
      <WebSocketStatus />
    </WebSocketProvider>,
  );
  // It says so for two seconds: the answer to the publish may come later.
  let isUpdating = false;
  const observer = new MutationObserver(() => (isUpdating ||= page.text().includes("Updating...") && /Status: step \d+/.test(page.text())));
  observer.observe(page.element, { subtree: true, childList: true, characterData: true });
  await reaches((n) => gate.publish("work_order_12", changed(n)), () => events);
  await until("the work order is live", () => isUpdating && page.text().includes("Connection: Live"));
  observer.disconnect();
  expect(page.text()).toContain("Connection Status: Connected");
  await expectOneSocket(gate);
  expect(badge(page.element)).toBe("Notifications");
  await gate.publish("user_7", notification(31));
  await until("counted", () => badge(page.element) === "Notifications, 1 unread");
  page.element.querySelector<HTMLElement>("[data-cg=badge]")!.click();
  expect(navigated).toHaveBeenCalledWith("/notifications");

  await gate.kill();
  await until("the loss is shown", () => page.text().includes("Connection Status: Disconnected") && page.text().includes("Connection: Offline"));
  await startAgain(gate);
  await until("the miss is reported", () => page.text().includes("open missed"));
  await reaches((n) => gate.publish("work_order_12", changed(n)), () => events);
  // The document's component leaves 123 and joins it again by its own effect.
  await reaches((n) => gate.publish("work_order_123", changed(n, 123)), () => events);
  await gate.publish("user_7", notification(32));
  await until("counted once", () => badge(page.element) === "Notifications, 2 unread");
  expectOnce(events);
  await expectOneSocket(gate);
  await until("not updating for ever", () => !page.text().includes("Updating..."));
  page.unmount();
  await until("the socket is closed", async () => (await gate.metric("channelgate_connections")) === 0);
});

itOnce("loads the badge's number at first, for this user's updates, and after a miss", async () => {
  const gate = await shop();
  let unread = 3;
  const loadCount = vi.fn(() => Promise.resolve(unread));
  const page = mount(
    <WebSocketProvider url={gate.url}>
      <RealTimeNotificationBadge loadCount={loadCount} />
      <RealTimeToasts />
      <output>
        <Recovery />
      </output>
    </WebSocketProvider>,
  );
  await until("loaded", () => badge(page.element) === "Notifications, 3 unread" && page.text().includes("open live"));
  // It is shown for six seconds: the answer to the publish may come later.
  const published = gate.publish("user_7", notification(1));
  await until("shown", () => page.element.querySelector("[data-cg=toast]")?.textContent.includes("Ready 1") ?? false);
  await published;
  await until("counted", () => badge(page.element) === "Notifications, 4 unread");
  const before = loadCount.mock.calls.length;
  // Of another user of this role, and then of this one.
  unread = 9;
  await gate.publish("role_technician", { type: "notification_count_updated", userId: 8, timestamp: "2026-03-02T09:31:07.000Z" }, { type: "notification_received", notification: notification(2).notification, timestamp: "2026-03-02T09:31:08.000Z" });
  await until("counted", () => badge(page.element) === "Notifications, 5 unread");
  expect(loadCount).toHaveBeenCalledTimes(before);
  await gate.publish("role_technician", { type: "notification_count_updated", userId: 7, timestamp: "2026-03-02T09:31:07.000Z" });
  await until("loaded", () => badge(page.element) === "Notifications, 9 unread");
  expect(loadCount).toHaveBeenCalledTimes(before + 1);

  unread = 12;
  await gate.kill();
  await startAgain(gate);
  await until("loaded after the miss", () => badge(page.element) === "Notifications, 12 unread" && page.text().includes("open live"));
});

function Recovery() {
  return useStatus(({ status, recovery }) => `${status} ${recovery}`);
}

itOnce("gives notifications to the browser where the application wants that", async () => {
  const gate = await shop();
  const notify = vi.fn();
  const page = mount(
    <WebSocketProvider url={gate.url}>
      <RealTimeToasts notify={notify} />
      <Recovery />
    </WebSocketProvider>,
  );
  await until("open", () => page.text().includes("open"));
  await gate.publish("user_7", notification(1), notification(2));
  await until("both", () => notify.mock.calls.length === 2);
  expect(notify).toHaveBeenCalledWith(expect.objectContaining({ tag: "notification-2", title: "Ready 2", body: "Your phone is ready" }));
  expect(page.element.querySelector("[data-cg=toast]")).toBeNull();
});

itOnce("shows typing, presence and people to others, and nothing after the end", async () => {
  const gate = await startGate({ presets: ["repair-shop"] });
  const [ada, tom] = await Promise.all([tokenOf(gate, 1), tokenOf(gate, 2)]);
  const seen = vi.fn();
  function Ada() {
    const { socket, on, off, connectedUsers, isConnected } = useWebSocket();
    useRealTimeWorkOrder({ id: 12 });
    useEffect(() => {
      const names = ["user_typing_start", "user_typing_stop", "user_presence_update"];
      const handlers = names.map((name) => [name, (data: unknown) => void seen(name, data)] as const);
      for (const [name, handler] of handlers) on(name, handler);
      return () => handlers.forEach(([name, handler]) => off(name, handler));
    }, [on, off]);
    return <p>{`${isConnected} ${socket.connected} ${connectedUsers.map(({ userName }) => userName).join()}`}</p>;
  }
  let act: () => void = () => undefined;
  function Tom() {
    const { sendTypingIndicator, sendPresenceUpdate, isConnected } = useRealTimeWorkOrder<WorkOrder>(null, { id: 12 });
    const { sendTypingStop } = useWebSocket();
    useEffect(() => {
      act = () => {
        sendTypingIndicator(true);
        sendTypingStop("work_order_12");
        sendPresenceUpdate("viewing");
      };
    });
    return <i>{String(isConnected)}</i>;
  }
  const page = mount(
    <WebSocketProvider url={gate.url} token={ada}>
      <Ada />
    </WebSocketProvider>,
  );
  await until("Ada is there", () => page.text().startsWith("true true"));
  const other = mount(
    <WebSocketProvider url={gate.url} token={tom}>
      <Tom />
    </WebSocketProvider>,
  );
  await until("Ada sees Tom", () => page.text().includes("User 2") && other.text() === "true");
  // The node may carry out Ada's join between two of them.
  await until("all three", () => {
    if (new Set(seen.mock.calls.map(([name]) => name as string)).size === 3) return true;
    act();
    return false;
  });
  expect(seen).toHaveBeenCalledWith("user_typing_start", expect.objectContaining({ userId: 2, userName: "User 2" }));
  expect(seen).toHaveBeenCalledWith("user_typing_stop", expect.objectContaining({ userId: 2 }));
  expect(seen).toHaveBeenCalledWith("user_presence_update", expect.objectContaining({ userId: 2, status: "viewing" }));
  other.unmount();
  await until("Tom is gone", () => !page.text().includes("User 2"));
});

itOnce("takes another work order from its props, also one that was loaded anew, and keeps updates through a render", async () => {
  const gate = await shop();
  function Detail({ order, load }: { order: WorkOrder; load?: () => Promise<WorkOrder> }) {
    const { workOrder, setWorkOrder } = useRealTimeWorkOrder(order, load && { load });
    return <p onClick={() => setWorkOrder((before) => before && { ...before, status: "mine" })}>{`${workOrder?.id} ${workOrder?.status} ${workOrder?.customer_name}`}</p>;
  }
  const shown = (order: WorkOrder, load?: () => Promise<WorkOrder>) => (
    <WebSocketProvider url={gate.url}>
      <Detail order={order} {...(load && { load })} />
      <Recovery />
    </WebSocketProvider>
  );
  const page = mount(shown({ id: 12, status: "pending" }));
  const text = () => page.element.querySelector("p")?.textContent ?? "";
  await reaches((n) => gate.publish("work_order_12", changed(n), changed(1, 13)), () => [Number(/step (\d+) Chen/.exec(text())?.[1] ?? 0)]);
  // The same content in another object is not news.
  page.render(shown({ id: 12, status: "pending" }));
  expect(text()).toContain("step");
  page.element.querySelector("p")!.click();
  await until("set", () => text() === "12 mine Chen");
  page.render(shown({ id: 12, status: "paid" }));
  await until("loaded anew", () => text() === "12 paid undefined");
  page.render(shown({ id: 13, status: "other" }));
  await until("another", () => text() === "13 other undefined");
  const load = () => Promise.resolve({ id: 13, status: "loaded" });
  page.render(shown({ id: 13, status: "other" }, load));
  await gate.kill();
  await startAgain(gate);
  await until("what was missed", () => text() === "13 loaded undefined" && page.text().includes("open live"));
});

itOnce("waits for a login, stays out with a wrong token, and comes in with a right one", async () => {
  const gate = await startGate({ presets: ["repair-shop"] });
  const token = await tokenOf(gate, 7);
  let retry: () => void = () => undefined;
  function Shown() {
    const { connectSocket, disconnectSocket, isConnected } = useWebSocket();
    useMissed(() => undefined);
    useEffect(() => {
      retry = connectSocket;
    }, [connectSocket]);
    return <p onClick={disconnectSocket}>{`${isConnected} ${useStatus((s) => s.status)}`}</p>;
  }
  const tree = () => (
    <WebSocketProvider url={gate.url}>
      <Shown />
    </WebSocketProvider>
  );
  const page = mount(tree());
  await until("unauthorized", () => page.text() === "false unauthorized");
  expect(await gate.metric("channelgate_handshakes_total")).toBe(0);
  localStorage.setItem("token", "not a token");
  retry();
  await until("refused", async () => page.text() === "false unauthorized" && (await gate.metric("channelgate_handshakes_total")) > 0);
  localStorage.setItem("token", token);
  // A login in this tab: the application renders.
  page.render(tree());
  await until("open", () => page.text() === "true open");
  page.element.querySelector("p")!.click();
  await until("closed", () => page.text() === "false closed");
  retry();
  await until("open again", () => page.text() === "true open");
});

