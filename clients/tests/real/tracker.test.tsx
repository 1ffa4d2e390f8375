// The snippets of the attendance tracker's document against a real node that is killed: only their import was changed.

import socketService, { configure, SessionAttendance as Attendance, trackerClient, useSocket, WebSocketStatus, type AttendanceUpdate } from "@channelgate/react/tracker";
import { useEffect } from "react";
import { afterEach, expect, it, vi } from "vitest";

import SessionAttendance from "../snippets/tracker/SessionAttendance.jsx";
import { useSocket as useDocumentsSocket } from "../snippets/tracker/useSocket.js";
import { expectOnce, expectOneSocket, itOnce, mount, reaches, startAgain } from "./presets.js";
import { startGate, until } from "./rig.js";

declare global {
  var trackerToken: string;
}

/** A node with the tracker alone, whose users are those of the tokens. */
async function tracker() {
  const gate = await startGate({ presets: ["tracker"] });
  const token = await gate.token(7, { kind: "jwt:tracker", claims: { name: "Ada", role: "moderator" } });
  configure({ url: gate.url, token });
  globalThis.trackerToken = token;
  return gate;
}

afterEach(() => {
  trackerClient().disconnect();
  trackerClient().fresh();
});

const update = (userId: number, sessionId = 7) => ({
  type: "attendanceUpdate",
  data: { userId, userName: `User ${userId}`, status: "present", checkInTime: "2026-03-02T09:31:07.000Z", sessionId },
});

const rows = (element: Element) => [...element.querySelectorAll("li")].map(({ textContent }) => Number(/User (\d+)/.exec(textContent)?.[1]));

it("runs the component's snippet over a killed node: one socket, each update once, the rooms come back, and the miss is reported", async () => {
  const gate = await tracker();
  const page = mount(
    <>
      <div>
        <SessionAttendance sessionId={7} />
      </div>
      <section>
        <SessionAttendance sessionId="8" />
      </section>
      <WebSocketStatus showDetails />
    </>,
  );
  const first = () => rows(page.element.querySelector("div")!);
  await reaches((n) => gate.publish("session.7", update(n)), first);
  await expectOneSocket(gate);

  await gate.kill();
  await until("the loss", () => trackerClient().snapshot().status !== "open");
  await startAgain(gate);
  await until("the miss is reported", () => trackerClient().snapshot().recovery === "missed");
  await reaches((n) => gate.publish("session.7", update(n)), first);
  await reaches((n) => gate.publish("session.8", update(n, 8)), () => rows(page.element.querySelector("section")!));
  expectOnce(first());
  await expectOneSocket(gate);

  // The end of one component is not the end of the others' socket.
  page.render(
    <div>
      <SessionAttendance sessionId={7} />
    </div>,
  );
  await reaches((n) => gate.publish("session.7", update(n)), first);
  await expectOneSocket(gate);
  page.unmount();
  await until("the socket is closed", async () => (await gate.metric("channelgate_connections")) === 0);
});

it("shows the snippet the server's answer to a mark, also to one that was made without a connection", async () => {
  const gate = await tracker();
  vi.spyOn(navigator.geolocation, "getCurrentPosition").mockImplementation((success) => success({ coords: { latitude: 1, longitude: 2 } } as GeolocationPosition));
  const page = mount(<SessionAttendance sessionId={7} />);
  await until("open", () => trackerClient().snapshot().status === "open");
  await gate.kill();
  await until("lost", () => trackerClient().snapshot().status !== "open");
  await until("the button", () => page.element.querySelector("button")).then((button) => button.click());
  expect(trackerClient().snapshot().queued).toBe(1);
  await startAgain(gate);
  // This node has no backend that marks.
  await until("the answer", () => page.text().includes("Failed to mark attendance"));
});

it("runs the hook's snippet: the cleanup of one component does not disconnect the other", async () => {
  const gate = await tracker();
  const seen: number[] = [];
  function User({ id }: { id: number }) {
    const { joinSession, leaveSession, onEvent } = useDocumentsSocket();
    useEffect(() => {
      joinSession(id);
      const stop = onEvent("attendanceUpdate", ({ userId }) => seen.push(userId));
      return () => {
        leaveSession(id);
        stop();
      };
    }, [id, joinSession, leaveSession, onEvent]);
    return null;
  }
  const page = mount([<User key={1} id={7} />, <User key={2} id={8} />]);
  const both = () => seen.filter((n, index) => seen.indexOf(n) !== index);
  await reaches((n) => gate.publish("session.7", update(n)), both);
  page.render([<User key={1} id={7} />]);
  await until("it has ended", () => page.element.isConnected);
  const before = seen.length;
  await reaches((n) => gate.publish("session.7", update(n)), () => seen.slice(before));
  await expectOneSocket(gate);
  page.unmount();
  await until("the socket is closed", async () => (await gate.metric("channelgate_connections")) === 0);
});

itOnce("keeps listeners that were added before the connection, and a socket that is never stale", async () => {
  const seen: number[] = [];
  const listener = ({ userId }: AttendanceUpdate) => void seen.push(Number(userId));
  const connects = vi.fn();
  socketService.on("attendanceUpdate", listener);
  const stop = socketService.socket.on("connect", connects);
  socketService.joinSession(7);
  const { socket } = socketService;
  expect(socket.connected).toBe(false);

  const gate = await tracker();
  socketService.connect();
  await reaches((n) => gate.publish("session.7", update(n)), () => seen);
  expect(socket.connected).toBe(true);
  expect(socketService.socket).toBe(socket);
  expect(socketService.connect()).toBe(socket);
  expect(connects).toHaveBeenCalledTimes(1);
  socketService.disconnect();
  await reaches((n) => gate.publish("session.7", update(n)), () => seen);
  expectOnce(seen);

  socketService.off("attendanceUpdate", listener);
  const heard = vi.fn();
  const end = socketService.on("attendanceUpdate", heard);
  const before = seen.length;
  await gate.publish("session.7", update(0));
  await until("the other listener", () => heard.mock.calls.length === 1);
  expect(seen).toHaveLength(before);

  // It has left when the answer to what was sent after that is there, and then hears no more of the room.
  socketService.leaveSession(7);
  const pong = vi.fn();
  socketService.on("pong", pong);
  // The first is sent at once, and the leave a moment later.
  await until("the answer to the second", () => {
    if (pong.mock.calls.length >= 2) return true;
    socket.emit("ping");
    return false;
  });
  const marker = vi.fn();
  socketService.on("notification", marker);
  await gate.publish("session.7", update(0));
  await gate.publish("user_7", { type: "emit", event: "notification", data: {} });
  await until("what was published later", () => marker.mock.calls.length === 1);
  expect(heard).toHaveBeenCalledTimes(1);
  socketService.off("pong");
  socketService.off("notification");
  end();
  stop();
  socketService.disconnect();
  await until("the socket is closed", async () => (await gate.metric("channelgate_connections")) === 0);
});

itOnce("has one row per user, and only those of its session", async () => {
  const gate = await tracker();
  vi.spyOn(navigator.geolocation, "getCurrentPosition").mockImplementation((_, error) => error?.({} as GeolocationPositionError));
  function Other() {
    const { joinSession, isConnected, socket } = useSocket();
    useEffect(() => joinSession(8), [joinSession]);
    return <output>{`${isConnected} ${socket.connected}`}</output>;
  }
  const page = mount(
    <>
      <Attendance sessionId={7} initial={[{ userId: 1, userName: "User 1", status: "late" }]} />
      <Other />
    </>,
  );
  const list = () => rows(page.element);
  await until("who was there already", () => list().join() === "1");
  await reaches((n) => gate.publish("session.7", update(1_000 + n), update(1_000 + n), update(1)), () => list().map((n) => n - 1_000));
  await gate.publish("session.8", update(5_000, 8));
  await gate.publish("session.7", update(6_000));
  await until("the last", () => list().includes(6_000));
  expectOnce(list());
  expect(list()).not.toContain(5_000);
  expect(page.text()).toContain("true true");
  expect(page.text()).toContain("User 1 - Present");
  page.element.querySelector("button")!.click();
  await until("the answer", () => page.text().includes("Failed to mark attendance"));
});

itOnce("changes the moderator's session, and everyone in it gets the change", async () => {
  const gate = await tracker();
  const updated = vi.fn();
  function Moderator() {
    const { joinSession, sessionUpdate, getAttendanceStats, onEvent } = useSocket();
    useEffect(() => {
      joinSession(7);
      const stops = [onEvent("sessionUpdated", updated), onEvent("error", updated)];
      sessionUpdate({ sessionId: 7, status: "closed" });
      getAttendanceStats(7);
      return () => stops.forEach((stop) => stop());
    }, [joinSession, sessionUpdate, getAttendanceStats, onEvent]);
    return null;
  }
  mount(<Moderator />);
  const answers = () => updated.mock.calls.map(([data]) => data as Record<string, unknown>);
  const change = await until("the change", () => answers().find((data) => "updatedBy" in data));
  expect(change).toMatchObject({ sessionId: 7, status: "closed", updatedBy: 7 });
  await until("the answer", () => answers().some(({ message }) => message === "Failed to get attendance stats"));
  expect(await gate.metric("channelgate_connections")).toBe(1);
});

itOnce("connects as another user when another token is configured, and stops without one", async () => {
  const gate = await tracker();
  const stop = trackerClient().acquire();
  await until("open", () => trackerClient().snapshot().status === "open");
  const { id } = trackerClient().snapshot();
  configure({ token: await gate.token(8, { kind: "jwt:tracker" }) });
  await until("another connection", () => trackerClient().snapshot().status === "open" && trackerClient().snapshot().id !== id);
  configure({ token: null });
  await until("unauthorized", () => trackerClient().snapshot().status === "unauthorized");
  await until("the socket is closed", async () => (await gate.metric("channelgate_connections")) === 0);
  configure({ token: await gate.token(7, { kind: "jwt:tracker" }) });
  await until("open", () => trackerClient().snapshot().status === "open");
  stop();
});
