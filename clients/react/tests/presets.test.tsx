// The presets without a server: what they say outside of their provider, and who follows whom.

import { createTestClient } from "@channelgate/client/testing";
import { ChannelgateProvider } from "@channelgate/react";
import * as dashboard from "@channelgate/react/dashboard";
import * as feed from "@channelgate/react/feed";
import * as shop from "@channelgate/react/repair-shop";
import * as tracker from "@channelgate/react/tracker";
import { Component, type ReactNode } from "react";
import { describe, expect, it, vi } from "vitest";

import { frames, mount } from "./support.js";

class Boundary extends Component<{ children: ReactNode; onError: (error: Error) => void }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }
  override componentDidCatch(error: Error): void {
    this.props.onError(error);
  }
  override render(): ReactNode {
    return this.state.failed ? null : this.props.children;
  }
}

function Dashboard() {
  dashboard.useWebSocket();
  return null;
}
function Attendance() {
  dashboard.useRealTimeAttendance("EMP014");
  return null;
}
function Shop() {
  shop.useWebSocket();
  return null;
}
function Order() {
  shop.useRealTimeWorkOrder(null, { id: 1 });
  return null;
}

describe("outside of its provider", () => {
  it.each([
    { name: "useWebSocket", node: <Dashboard />, from: "dashboard" },
    { name: "useRealTimeAttendance", node: <Attendance />, from: "dashboard" },
    { name: "WebSocketStatus", node: <dashboard.WebSocketStatus />, from: "dashboard" },
    { name: "RealTimeNotification", node: <dashboard.RealTimeNotification />, from: "dashboard" },
    { name: "RealTimeAttendance", node: <dashboard.RealTimeAttendance />, from: "dashboard" },
    { name: "useWebSocket", node: <Shop />, from: "repair-shop" },
    { name: "useRealTimeWorkOrder", node: <Order />, from: "repair-shop" },
    { name: "RealTimeNotificationBadge", node: <shop.RealTimeNotificationBadge />, from: "repair-shop" },
    { name: "RealTimeToasts", node: <shop.RealTimeToasts />, from: "repair-shop" },
  ])("$name of $from says which provider it needs", async ({ name, node, from }) => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const onError = vi.fn<(error: Error) => void>();
    // Another system's provider is not enough.
    mount(
      <ChannelgateProvider name="other" client={createTestClient()}>
        <Boundary onError={onError}>{node}</Boundary>
      </ChannelgateProvider>,
    );
    await vi.waitFor(() => expect(onError).toHaveBeenCalled());
    expect(onError.mock.calls[0]![0].message).toBe(`${name} must be used within a WebSocketProvider (both from "@channelgate/react/${from}")`);
    vi.restoreAllMocks();
  });
});

it("shows only the employee that is asked for, and the connection in the document's words", async () => {
  const client = createTestClient<dashboard.DashboardEvents>();
  function Latest({ id }: { id: string | number | undefined }) {
    const { realTimeData, hasRealTimeData, lastUpdate, getFormattedLastUpdate, getConnectionStatus } = dashboard.useRealTimeAttendance(id);
    return <p>{[getConnectionStatus(), realTimeData?.employee_name, hasRealTimeData, lastUpdate !== null, getFormattedLastUpdate() !== ""].join()}</p>;
  }
  const shown = (id: string | number | undefined) => (
    <ChannelgateProvider name="dashboard" client={client}>
      <Latest id={id} />
    </ChannelgateProvider>
  );
  const update = (employee_id: string, employee_name: string) => ({ employee_id, employee_name, status: "present", date: null, timestamp: null, device: null, isLate: null });
  const page = mount(shown("1"));
  await vi.waitFor(() => expect(page.text()).toBe("connecting,,false,false,false"));
  client.open();
  client.receive("attendance_update", update("1", "Ada"));
  client.receive("attendance_update", update("2", "Tom"));
  await vi.waitFor(() => expect(page.text()).toBe("connected,Ada,true,true,true"));
  page.render(shown(2));
  await frames();
  await vi.waitFor(() => expect(page.text()).toBe("connected,,false,false,false"));
  client.receive("attendance_update", update("2", "Tom"));
  await vi.waitFor(() => expect(page.text()).toBe("connected,Tom,true,true,true"));
  page.render(shown(undefined));
  await vi.waitFor(() => expect(page.text()).toBe("connected,,false,false,false"));
  client.receive("attendance_update", update("2", "Tom"));
  client.receive("general_attendance_update", update("3", "Eve"));
  await vi.waitFor(() => expect(page.text()).toBe("connected,Eve,true,true,true"));
  for (const [change, word] of [
    [() => client.drop(), "connecting"],
    [() => client.drop(4403), "error"],
    [() => client.disconnect(), "disconnected"],
  ] as const) {
    change();
    await vi.waitFor(() => expect(page.text()).toContain(`${word},`));
    client.reconnect();
    client.open();
    await vi.waitFor(() => expect(page.text()).toContain("connected,"));
  }
});

const update = { employee_id: "1", employee_name: "Ada", status: "present", date: "2026-03-02", timestamp: null, device: null, isLate: null };
const figures = () => [...document.querySelectorAll("[data-cg=value]")].map(({ textContent }) => textContent);

it("counts no employee as absent before the day is loaded", async () => {
  const client = createTestClient<dashboard.DashboardEvents>();
  let answer: (day: dashboard.Attendance[]) => void = () => undefined;
  const load = () => new Promise<dashboard.Attendance[]>((resolve) => (answer = resolve));
  const page = mount(
    <ChannelgateProvider name="dashboard" client={client}>
      <dashboard.RealTimeAttendance total={3} load={load} />
    </ChannelgateProvider>,
  );
  client.open();
  // Components listen from their effects on, which come after the first render.
  await expect
    .poll(() => {
      client.receive("general_attendance_update", update);
      return page.text();
    })
    .toContain("Last update");
  expect(figures()).toEqual(["–", "–", "–", "3"]);
  answer([{ ...update, employee_id: "2", isLate: true }]);
  await expect.poll(figures).toEqual(["2", "1", "1", "3"]);
});

it("shows what came although the day could not be loaded, and loads it when asked", async () => {
  const client = createTestClient<dashboard.DashboardEvents>();
  const load = vi.fn(() => Promise.reject<dashboard.Attendance[]>(new Error("502")));
  const page = mount(
    <ChannelgateProvider name="dashboard" client={client}>
      <dashboard.RealTimeAttendance total={3} load={load} />
    </ChannelgateProvider>,
  );
  client.open();
  await expect
    .poll(() => {
      client.receive("general_attendance_update", update);
      return figures();
    })
    .toEqual(["1", "0", "–", "3"]);
  load.mockResolvedValue([{ ...update, isLate: true }]);
  const again = page.element.querySelector<HTMLButtonElement>("[data-cg=button]");
  expect(again?.textContent).toBe("Try again");
  again?.click();
  await expect.poll(figures).toEqual(["1", "1", "2", "3"]);
  expect(page.element.querySelector("[data-cg=button]")).toBeNull();
});

it("shows who had attended at first also where something was missed before, which stays missed", async () => {
  const client = createTestClient<tracker.TrackerEvents>();
  tracker.configure({ client });
  const end = client.acquire();
  client.open();
  client.gap();
  await expect.poll(() => client.snapshot().recovery).toBe("missed");
  const attendee = (userId: number, status: tracker.Attendee["status"]) => ({ userId, userName: `User ${userId}`, status });
  const page = mount(<tracker.SessionAttendance sessionId={7} initial={[attendee(1, "late"), attendee(2, "late")]} />);
  await expect.poll(page.text).toContain("User 1 - Late");
  client.receive("attendanceUpdate", { ...attendee(2, "present"), sessionId: 7, checkInTime: "2026-03-02T09:31:07.000Z" });
  client.receive("attendanceUpdate", { ...attendee(3, "present"), sessionId: 7, checkInTime: "2026-03-02T09:31:07.000Z" });
  await expect.poll(page.text).toContain("User 3 - Present");
  expect(page.text()).toContain("User 1 - Late");
  expect(page.text()).toContain("User 2 - Present");
  expect(page.text()).not.toContain("User 2 - Late");
  expect(client.snapshot().recovery).toBe("missed");
  end();
});

it("gives the tracker and the feed a client of the test", async () => {
  const client = createTestClient<tracker.TrackerEvents>();
  tracker.configure({ client });
  const listener = vi.fn();
  tracker.socketService.on("userJoined", listener);
  tracker.socketService.joinSession(7);
  tracker.socketService.connect();
  client.open();
  client.receive("userJoined", { userId: 1, userName: "Ada", timestamp: "" });
  expect(listener).toHaveBeenCalledTimes(1);
  tracker.socketService.off("userJoined");
  client.receive("userJoined", { userId: 1, userName: "Ada", timestamp: "" });
  expect(listener).toHaveBeenCalledTimes(1);

  const visitors = createTestClient<feed.FeedEvents>();
  feed.configure({ client: visitors });
  const seen = vi.fn();
  function Feed() {
    feed.useFeedEvent("client_delete", seen);
    const { lastEvent } = feed.useFeed();
    return <p>{lastEvent?.event}</p>;
  }
  const page = mount(<Feed />);
  await frames();
  visitors.open();
  visitors.receive("client_delete", { id: 1 });
  expect(seen).toHaveBeenCalledTimes(1);
  await vi.waitFor(() => expect(page.text()).toBe("client_delete"));
});

/** Never called: what must not compile. */
export function useMistakes(): void {
  // @ts-expect-error -- no event of the feed has this name
  feed.useFeedEvent("client_created", () => undefined);
  // @ts-expect-error -- a deleted visitor has only an id
  feed.useFeedEvent("client_delete", ({ age }) => void age);
  const { onEvent } = tracker.useSocket();
  // @ts-expect-error -- an update has no such field
  onEvent("attendanceUpdate", ({ student }) => void student);
  // @ts-expect-error -- the callback gets the update, flat
  dashboard.useWebSocket().subscribeToAttendanceUpdates("EMP014", ({ data }) => void data);
  // @ts-expect-error -- there are two transports
  void (<dashboard.WebSocketProvider transport="polling" />);
}
