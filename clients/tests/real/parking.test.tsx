// The snippets of the parking system's document against a real node that is killed: only their import was changed.

import { configure, NotificationCenter as Centre, parkingClient, useNotifications, useWebSocket, type WebSocketMessage } from "@channelgate/react/parking";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";

import { NotificationCenter } from "../snippets/parking/NotificationCenter.js";
import { Snippet as Connection } from "../snippets/parking/connection-test.jsx";
import { Snippet as Message } from "../snippets/parking/message-test.jsx";
import { expectOnce, expectOneSocket, itOnce, logged, mount, reaches, startAgain } from "./presets.js";
import { startGate, startRedis, until } from "./rig.js";

afterEach(() => {
  parkingClient().disconnect();
  parkingClient().fresh();
});

/** A node with the parking system alone, and ws-tokens of its user 7 for each attempt. */
async function parking() {
  const redis = await startRedis();
  const gate = await startGate({ presets: ["parking"], redisUrl: redis.url });
  const token = vi.fn(() => gate.token(7, { kind: "ws" }));
  configure({ url: gate.ws("/ws/notifications/"), token, topics: ["reservation", "parking_lot"] });
  return { gate, token };
}

const reserved = (n: number) => ({ type: "new_reservation", message: `New reservation ${n}`, data: { reservation_id: n, status: "active" } });
/** The number of the last notification in a text. */
const numberOf = (text: string | null | undefined) => Number([...(text ?? "").matchAll(/(?:reservation|lot) (\d+)/g)].at(-1)?.[1] ?? 0);

it("runs the snippets over a killed node: one socket, each notification once, the topics come back, and the miss is reported", async () => {
  const { gate, token } = await parking();
  const page = mount(
    <>
      <NotificationCenter />
      <Connection />
      <Message />
    </>,
  );
  const seen = () => [...page.element.querySelectorAll("h4")].map(({ textContent }) => numberOf(textContent));
  await until("connected", () => page.text().includes("Status: Connected"));
  await reaches((n) => gate.publish("user_7_notifications", reserved(n)), seen);
  expect(page.element.querySelector(".notification pre")?.textContent).toContain('"status": "active"');
  expect(logged<boolean>("WebSocket connected:")).toContain(true);
  await until("the last message is logged", () => logged<WebSocketMessage | undefined>("New message:").at(-1)?.type === "notification");
  await expectOneSocket(gate);
  const tokens = token.mock.calls.length;

  await gate.kill();
  await until("the loss is shown", () => page.text().includes("Status: Disconnected"));
  await startAgain(gate);
  await until("the miss is reported", () => parkingClient().snapshot().recovery === "missed" && parkingClient().snapshot().status === "open");
  expect(token.mock.calls.length).toBeGreaterThan(tokens);
  await reaches((n) => gate.publish("user_7_notifications", reserved(n)), seen);
  expectOnce(seen());
  await expectOneSocket(gate);
  page.unmount();
  await until("the socket is closed", async () => (await gate.metric("channelgate_connections")) === 0);
});

itOnce("subscribes to the topics of each component, and tells apart what says its type", async () => {
  const { gate } = await parking();
  function Messages({ topics }: { topics: readonly string[] }) {
    return <p>{useWebSocket({ topics }).messages.map(({ message }) => message).join()}</p>;
  }
  const page = mount(
    <>
      <Messages topics={["reservation"]} />
      <Messages topics={["parking_lot"]} />
    </>,
  );
  const texts = () => [...page.element.querySelectorAll("p")].map(({ textContent }) => textContent);
  await reaches((n) => gate.publish("user_7", reserved(n)), () => [numberOf(texts()[0])]);
  // The node may have carried out one subscription before the other.
  await reaches((n) => gate.publish("user_7", { type: "new_parking_lot", message: `Parking lot ${n}`, data: {} }), () => [numberOf(texts()[1])]);
  const send = (notification_type: string, message: string) => ({ type: "send_notification", notification_type, message, data: { notification_type } });
  await gate.publish("notifications", send("payment", "not asked for"), send("new_parking_lot", "A lot"), send("reservation_expired", "Expired"));
  await until("both", () => texts()[0]!.endsWith("Expired") && texts()[1]!.endsWith("A lot"));
  expect(texts().join()).not.toContain("not asked for");
  expect(texts()[0]).not.toContain("A lot");
  await expectOneSocket(gate);
});

itOnce("hears of a topic as long as a component wants it, although the server cannot take it back", async () => {
  const { gate } = await parking();
  const frames: string[] = [];
  vi.stubGlobal(
    "WebSocket",
    class extends WebSocket {
      constructor(...all: ConstructorParameters<typeof WebSocket>) {
        super(...all);
        this.addEventListener("message", ({ data }) => frames.push(data as string));
      }
    },
  );
  onTestFinished(() => void vi.unstubAllGlobals());
  function Messages({ topics }: { topics: readonly string[] }) {
    return <p>{useWebSocket({ topics }).messages.map(({ message }) => message).join()}</p>;
  }
  const lots = <Messages key="lots" topics={["parking_lot"]} />;
  const reservations = <Messages key="reservations" topics={["reservation"]} />;
  const page = mount([lots, reservations]);
  const texts = () => [...page.element.querySelectorAll("p")].map(({ textContent }) => textContent ?? "");
  const heard: string[] = [];
  const stop = parkingClient().on("notification", ({ message }) => heard.push(message));
  const lot = (message: string) => ({ type: "new_parking_lot", message, data: {} });
  const reservation = (message: string) => ({ type: "new_reservation", message, data: {} });
  await reaches((n) => gate.publish("notifications", reserved(n)), () => [numberOf(texts()[1])]);
  await gate.publish("notifications", reservation("R1"), lot("L1"));
  // Nothing in the data says what they are: the node does.
  await until("both", () => texts()[0] === "L1" && texts()[1]!.endsWith(",R1"));

  page.render([lots]);
  await until("one component", () => texts().length === 1);
  // The client lets go of it a moment later: a component may only be mounted anew.
  let count = 0;
  await until("the topic is left", async () => {
    const own = `, ${++count}`;
    await gate.publish("notifications", reservation(`R${own}`), lot(`L${own}`));
    await until("the lot", () => heard.includes(`L${own}`));
    return !heard.includes(`R${own}`);
  });
  await gate.publish("notifications", reservation("R2"), lot("L2"));
  await until("the next", () => texts()[0]!.endsWith(",L2"));
  expect(heard.at(-2)).toBe(`L, ${count}`);
  // The server has sent it, before the lot.
  expect(frames.filter((frame) => frame.includes('"R2"'))).toHaveLength(1);

  page.render([lots, reservations]);
  await until("two components", () => texts().length === 2);
  await gate.publish("notifications", reservation("R3"), lot("L3"));
  await until("both again", () => texts()[0]!.endsWith(",L2,L3") && texts()[1] === "R3");
  expect(heard).not.toContain("R2");

  // A connection that comes back has only what is wanted.
  page.render([lots]);
  await until("one component again", () => texts().length === 1);
  await gate.kill();
  await startAgain(gate);
  await until("open again", () => parkingClient().snapshot().status === "open" && parkingClient().snapshot().recovery !== "live");
  await reaches(
    (n) => gate.publish("notifications", reservation("R4"), lot(`New reservation ${n}`)),
    () => [numberOf(texts()[0]?.split(",").at(-1))],
  );
  expect(heard).not.toContain("R4");
  await expectOneSocket(gate);
  stop();
});

itOnce("keeps 200 messages, the newest ones, oldest first", async () => {
  const { gate } = await parking();
  const page = mount(<Count />);
  await reaches((n) => gate.publish("user_7", reserved(n)), () => [numberOf(page.text())]);
  await gate.publish("user_7", ...Array.from({ length: 205 }, (_, index) => reserved(10_000 + index)));
  await until("the last", () => numberOf(page.text().split("…")[1]) === 10_204);
  expect(page.text()).toBe("200 New reservation 10005…New reservation 10204");
});

function Count() {
  const { messages } = useWebSocket();
  return <p>{`${messages.length} ${messages[0]?.message}…${messages.at(-1)?.message}`}</p>;
}

itOnce("has a centre with what came before it was opened, and marks it as seen", async () => {
  const { gate } = await parking();
  function Badge() {
    return <output>{useNotifications().unseen}</output>;
  }
  const page = mount(<Badge />);
  await until("open", () => parkingClient().snapshot().status === "open");
  const heard: number[] = [];
  onTestFinished(parkingClient().on("notification", ({ message }) => heard.push(numberOf(message))));
  await reaches((n) => gate.publish("user_7", reserved(n)), () => heard);
  await until("all are shown as new", () => page.element.querySelector("output")?.textContent === `${heard.length}`);
  const notify = vi.fn();
  page.render(
    <>
      <Badge />
      <Centre limit={1} notify={notify} />
    </>,
  );
  await until("the newest", () => page.element.querySelectorAll("li").length === 1);
  expect(page.element.querySelector("li")?.getAttribute("data-seen")).toBe("false");
  // Not for what was there before, and then once for each.
  expect(notify).not.toHaveBeenCalled();
  await gate.publish("user_7", reserved(501), reserved(502));
  await until("both", () => notify.mock.calls.length === 2);
  expect(notify).toHaveBeenLastCalledWith(expect.objectContaining({ title: "New reservation 502" }));
  page.element.querySelector<HTMLElement>("[data-cg=header] > [data-cg=button]")!.click();
  await until("seen", () => page.element.querySelector("output")?.textContent === "0");
  expect(page.element.querySelector("li")?.getAttribute("data-seen")).toBe("true");

  expect(notify).toHaveBeenCalledTimes(2);

  await gate.kill();
  await startAgain(gate);
  await until("the miss is reported", () => page.element.querySelector("[data-cg=missed]"));
  configure({ token: null });
  await until("nothing is left of the user's", () => page.element.querySelectorAll("li").length === 0);
});

itOnce("stops without a login, instead of asking for tokens for ever, and leaves no socket behind at another", async () => {
  const { gate } = await parking();
  const token = vi.fn(() => Promise.resolve(null));
  configure({ token });
  const page = mount(<NotificationCenter />);
  await until("unauthorized", () => parkingClient().snapshot().status === "unauthorized");
  expect(page.text()).toContain("Status: Disconnected");
  expect(token.mock.calls.length).toBeLessThanOrEqual(2);
  expect(parkingClient().snapshot().retryAt).toBeNull();
  expect(await gate.metric("channelgate_handshakes_total")).toBe(0);

  // Functions that renders make anew are not logins; a page that knows of one says so.
  const before = token.mock.calls.length;
  configure({ token: () => token() });
  expect(parkingClient().snapshot().status).toBe("unauthorized");
  expect(token).toHaveBeenCalledTimes(before);
  configure({ token: () => gate.token(7, { kind: "ws" }) });
  parkingClient().reconnect();
  await until("connected", () => page.text().includes("Status: Connected"));

  // Another token leaves no socket behind.
  const { id } = parkingClient().snapshot();
  configure({ token: await gate.token(8, { kind: "ws" }) });
  await until("another connection", () => page.text().includes("Status: Connected") && parkingClient().snapshot().id !== id);
  await until("one socket", async () => (await gate.metric("channelgate_connections")) === 1);
});
