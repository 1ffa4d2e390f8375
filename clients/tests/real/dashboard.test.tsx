// The snippets of the dashboard's document against a real node that is killed: only their import was changed.

import { useStatus } from "@channelgate/react";
import { RealTimeAttendance, RealTimeNotification, useWebSocket, WebSocketProvider, type Attendance } from "@channelgate/react/dashboard";
import { useEffect } from "react";
import { flushSync } from "react-dom";
import { beforeEach, expect, it, vi } from "vitest";

import { MyComponent as Basic } from "../snippets/dashboard/basic-connection.jsx";
import { Header } from "../snippets/dashboard/connection-status.jsx";
import { MyComponent as Latest } from "../snippets/dashboard/real-time-attendance.jsx";
import { expectOnce, expectOneSocket, itOnce, logged, mount, reaches, startAgain } from "./presets.js";
import { startGate, until } from "./rig.js";

declare global {
  var employeeId: string;
}

beforeEach(() => {
  globalThis.employeeId = "EMP014";
});

const event = (n: number, more: object = {}) => ({
  type: "attendance_update",
  data: { id: "9f1c", user_name: "Meera Joshi", employee_id: "EMP014", status: "present", date: "2026-03-02", updated_at: `${n}`, device: "Front desk", action: "created", ...more },
});

const numbers = (updates: readonly Attendance[]) => updates.map(({ timestamp }) => Number(timestamp));

function Recovery() {
  return <output>{useStatus(({ status, recovery }) => `${status} ${recovery}`)}</output>;
}

it.each([
  { transport: "socket.io" as const, presets: ["dashboard"], path: "/" },
  { transport: "websocket" as const, presets: ["attendance"], path: "/ws/attendance/" },
])("runs the three snippets over $transport and over a killed node: one socket, each update once, and the miss is reported", async ({ transport, presets, path }) => {
  const gate = await startGate({ presets });
  const page = mount(
    <WebSocketProvider url={new URL(path, gate.url)} transport={transport}>
      <Basic />
      <Basic />
      <Latest />
      <Header />
      <Recovery />
    </WebSocketProvider>,
  );
  const seen = () => logged<Attendance>("Attendance update:");
  const publish = (n: number) => gate.publish("attendance_updates", event(n, { employee_id: "EMP999" }), event(n));

  await reaches(publish, () => numbers(seen()));
  await expectOneSocket(gate);
  await until("the hook has it", () => page.text().includes("Status: connected") && page.text().includes("Latest update: present"));
  expect(page.text()).toContain("open live");
  expect(page.element.querySelector("[data-cg=status]")?.getAttribute("data-status")).toBe("open");

  await gate.kill();
  await until("the loss is shown", () => page.element.querySelector("[data-cg=status]")?.getAttribute("data-status") === "reconnecting");
  expect(page.text()).not.toContain("Status: connected");
  await startAgain(gate);
  await until("the miss is reported", () => page.text().includes("open missed"));
  await reaches(publish, () => numbers(seen()));
  await expectOneSocket(gate);

  // Each of the two components once: nothing was subscribed twice, though the document's effect has no cleanup.
  await until("both have it", () => seen().length % 2 === 0);
  const all = numbers(seen());
  expectOnce(all.filter((_, index) => index % 2 === 0));
  expect(all.filter((_, index) => index % 2 === 0)).toEqual(all.filter((_, index) => index % 2 === 1));
  // Flat, of this employee, and with the documented names.
  expect(seen().every(({ employee_id }) => employee_id === "EMP014")).toBe(true);
  expect(seen()[0]).toMatchObject({ employee_name: "Meera Joshi", status: "present", device: "Front desk", isLate: null });

  page.unmount();
  await until("the socket is closed", async () => (await gate.metric("channelgate_connections")) === 0);
});

itOnce("subscribes again in place of the former subscription, for the employee and for all, until the component ends", async () => {
  const gate = await startGate({ presets: ["dashboard"] });
  const first = vi.fn();
  const second = vi.fn();
  const everyone = vi.fn();
  function Twice() {
    const { subscribeToAttendanceUpdates, subscribeToGeneralAttendanceUpdates } = useWebSocket();
    useEffect(() => {
      const stop = subscribeToAttendanceUpdates(14, first);
      subscribeToAttendanceUpdates("14", second);
      subscribeToGeneralAttendanceUpdates(vi.fn());
      subscribeToGeneralAttendanceUpdates(everyone);
      // It was replaced: what has replaced it goes on.
      stop();
    });
    return null;
  }
  const page = mount(
    <WebSocketProvider url={gate.url}>
      <Twice />
      <Header />
    </WebSocketProvider>,
  );
  const seen = () => numbers(second.mock.calls.map(([update]) => update as Attendance));
  const all = () => numbers(everyone.mock.calls.map(([update]) => update as Attendance));
  const publish = (n: number) => gate.publish("attendance_updates", event(n, { employee_id: "14" }));
  // The node may have carried out one subscription before the other.
  await reaches(publish, seen);
  await reaches(publish, all);
  expectOnce(seen());
  expectOnce(all());
  expect(first).not.toHaveBeenCalled();

  // Also with the effects of its end.
  flushSync(() =>
    page.render(
      <WebSocketProvider url={gate.url}>
        <Header />
      </WebSocketProvider>,
    ),
  );
  const before = everyone.mock.calls.length;
  await gate.publish("attendance_updates", event(1, { employee_id: "14" }));
  const other = vi.fn();
  page.render(
    <WebSocketProvider url={gate.url}>
      <Header />
      <Follow callback={other} />
    </WebSocketProvider>,
  );
  await reaches((n) => gate.publish("attendance_updates", event(n, { employee_id: "14" })), () => numbers(other.mock.calls.map(([update]) => update as Attendance)));
  expect(everyone).toHaveBeenCalledTimes(before);
  await expectOneSocket(gate);
});

function Follow({ callback }: { callback: (update: Attendance) => void }) {
  const { subscribeToGeneralAttendanceUpdates } = useWebSocket();
  useEffect(() => subscribeToGeneralAttendanceUpdates(callback), [subscribeToGeneralAttendanceUpdates, callback]);
  return null;
}

itOnce("shows updates as messages, and the numbers of the day with each employee once", async () => {
  const gate = await startGate({ presets: ["dashboard"] });
  const page = mount(
    <WebSocketProvider url={gate.url}>
      <RealTimeNotification employeeId="EMP014" />
      <RealTimeAttendance total={3} load={() => Promise.resolve([{ employee_id: "EMP001", employee_name: "Ada", status: "present", date: "2026-03-02", timestamp: null, device: null, isLate: true }])} />
    </WebSocketProvider>,
  );
  const figures = () => [...page.element.querySelectorAll("dd")].map(({ textContent }) => textContent);
  await until("what was loaded", () => figures()[1] === "1");
  await reaches((n) => gate.publish("attendance_updates", event(n)), () => (figures()[0] === "2" ? [Infinity] : []));
  // Its messages are shown for five seconds: the answer to the publish may come later.
  const published = gate.publish("attendance_updates", event(1), event(2));
  await until("a message", () => page.element.querySelector("[data-cg=toast]")?.textContent.includes("Meera Joshi") ?? false);
  await published;
  await until("present, late, absent, total", () => figures().join() === "2,1,1,3");
});

itOnce("waits for a login where the server asks for one, and comes in with it", async () => {
  const gate = await startGate({ presets: ["dashboard"], env: { CHANNELGATE__PRESET__DASHBOARD__AUTH: "jwt" } });
  const token = await gate.token(7);
  let connect: (token?: string) => void = () => undefined;
  function Shown() {
    const { connectionStatus, connect: own, disconnect } = useWebSocket();
    useEffect(() => {
      connect = own;
    }, [own]);
    return <p onClick={disconnect}>{connectionStatus}</p>;
  }
  const tree = () => (
    <WebSocketProvider url={gate.url}>
      <Shown />
    </WebSocketProvider>
  );
  const page = mount(tree());
  await until("refused", () => page.text() === "error");
  localStorage.setItem("access_token", token);
  // A login in this tab: the application renders.
  page.render(tree());
  await until("connected", () => page.text() === "connected");
  page.element.querySelector("p")!.click();
  await until("disconnected", () => page.text() === "disconnected");
  connect();
  await until("connected again", () => page.text() === "connected");
  localStorage.removeItem("access_token");
  page.render(tree());
  await until("logged out", () => page.text() === "error");
  connect(token);
  await until("connected with a token that is given", () => page.text() === "connected");
});
