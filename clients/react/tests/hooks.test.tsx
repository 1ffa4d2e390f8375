// The hooks, each by what a component sees and what the server gets.

import {
  ChannelgateProvider,
  useEvent,
  useEvents,
  useMissed,
  usePresence,
  useQuality,
  useRequest,
  useRoom,
  useSend,
  useStatus,
  useTopic,
  useTyping,
  type Of,
} from "@channelgate/react";
import { createClient, type Missed } from "@channelgate/client";
import { useState, type ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { frames, mount, noConsoleErrors, scripted } from "./support.js";

noConsoleErrors();

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => {
  vi.useRealTimers();
});

async function show(node: ReactNode, { strict = true } = {}) {
  const transport = scripted();
  const client = createClient({ url: "/ws/", transport });
  const tree = (inner: ReactNode) => <ChannelgateProvider client={client}>{inner}</ChannelgateProvider>;
  const page = mount(tree(node), { strict });
  await expect.poll(() => client.snapshot().status).toBe("open");
  await frames();
  return { transport, client, page, render: (inner: ReactNode) => page.render(tree(inner)) };
}

const text = (value: unknown): string => JSON.stringify(value);

describe("useStatus", () => {
  it("renders only for what it selects", async () => {
    let renders = 0;
    const Node = () => {
      renders++;
      return useStatus(({ node }) => node);
    };
    const { transport, page, client } = await show(<Node />, { strict: false });
    renders = 0;
    transport.last.receive("hello", { v: 1, node: "a", id: "1" });
    await expect.poll(page.text).toBe("a");
    expect(renders).toBe(1);
    client.disconnect();
    await frames();
    await expect.poll(() => client.snapshot().status).toBe("closed");
    await frames();
    expect(renders).toBeLessThanOrEqual(2);
  });

  it("takes a selector that makes an object each time", async () => {
    const Both = () => text(useStatus(({ status, isConnected }) => ({ status, isConnected })));
    const { page } = await show(<Both />);
    await expect.poll(page.text).toBe('{"status":"open","isConnected":true}');
  });

  it("follows the state in a hidden page as well, where there are no frames", async () => {
    const real = globalThis.requestAnimationFrame;
    globalThis.requestAnimationFrame = () => 0;
    try {
      const Shown = () => useStatus(({ status }) => status);
      const page = mount(
        <ChannelgateProvider url="/ws/" transport={scripted()}>
          <Shown />
        </ChannelgateProvider>,
      );
      await expect.poll(page.text).toBe("open");
    } finally {
      globalThis.requestAnimationFrame = real;
    }
  });

  it("says how many messages wait for the connection", async () => {
    const Queue = () => {
      const [queued, send] = [useStatus((now) => now.queued), useSend()];
      return <button onClick={() => send("note", { text: "hi" })}>{queued}</button>;
    };
    const { page, transport } = await show(<Queue />);
    transport.last.drop(1006);
    page.element.querySelector("button")?.click();
    page.element.querySelector("button")?.click();
    await expect.poll(page.text).toBe("2");
    await expect.poll(page.text).toBe("0");
    await expect.poll(() => transport.last.sent).toEqual([
      { type: "note", text: "hi" },
      { type: "note", text: "hi" },
    ]);
  });
});

describe("useQuality", () => {
  it("counts drops, and has no level without a connection", async () => {
    const Quality = () => text(useQuality());
    const { page, transport, client } = await show(<Quality />);
    await expect.poll(page.text).toBe('{"level":"unknown","latency":null,"drops":0,"attempts":0}');
    transport.last.drop(1006);
    await expect.poll(page.text).toMatch(/"level":"none".*"drops":1/);
    await expect.poll(() => client.snapshot().status).toBe("open");
    await expect.poll(page.text).toMatch(/"level":"unknown".*"drops":1/);
  });
});

describe("useEvent", () => {
  it("calls the latest handler and subscribes once, however often the component renders", async () => {
    const heard: string[] = [];
    const Counter = () => {
      const [count, setCount] = useState(0);
      useEvent("tick", () => void heard.push(`seen at ${count}`));
      return <button onClick={() => setCount(count + 1)}>{count}</button>;
    };
    const transport = scripted();
    const client = createClient({ url: "/ws/", transport });
    const on = vi.spyOn(client, "on");
    const page = mount(
      <ChannelgateProvider client={client}>
        <Counter />
      </ChannelgateProvider>,
      { strict: false },
    );
    await expect.poll(() => client.snapshot().status).toBe("open");
    for (let i = 0; i < 5; i++) {
      page.element.querySelector("button")?.click();
      await frames(1);
    }
    transport.last.receive("tick", null);
    expect(heard).toEqual(["seen at 5"]);
    expect(on).toHaveBeenCalledTimes(1);
  });

  it("hears every event with *, and follows another name", async () => {
    const heard: string[] = [];
    const Listen = ({ name }: { name: string }) => {
      useEvent(name, (_, { event }) => void heard.push(event));
      return null;
    };
    const { transport, render } = await show(<Listen name="*" />);
    transport.last.receive("a", 1);
    transport.last.receive("b", 1);
    render(<Listen name="b" />);
    await frames();
    transport.last.receive("a", 1);
    transport.last.receive("b", 1);
    expect(heard).toEqual(["a", "b", "b"]);
  });

  it("works with a client and without a provider", async () => {
    const transport = scripted();
    const client = createClient({ url: "/ws/", transport });
    const heard = vi.fn();
    const Listen = ({ of }: { of: Of }) => {
      useEvent("tick", heard, of);
      return useStatus(({ status }) => status, of);
    };
    const page = mount(<Listen of={client} />);
    const release = client.acquire();
    await expect.poll(page.text).toBe("open");
    transport.last.receive("tick", 1);
    expect(heard).toHaveBeenCalledTimes(1);
    release();
  });
});

describe("useEvents", () => {
  it("keeps the last events, oldest first, and renders once per frame", async () => {
    let renders = 0;
    const Feed = () => {
      renders++;
      const events = useEvents("tick", { limit: 3 });
      return `${events.map(({ data }) => data).join(" ")}|${new Set(events.map(({ id }) => id)).size}`;
    };
    const { transport, page } = await show(<Feed />, { strict: false });
    renders = 0;
    for (let i = 1; i <= 5_000; i++) transport.last.receive("tick", i);
    await expect.poll(page.text).toBe("4998 4999 5000|3");
    expect(renders).toBeLessThanOrEqual(2);
  });
});

describe("useRoom and useTopic", () => {
  const Interests = ({ room, topic }: { room: string | null; topic: string | null }) => `${text(useRoom(room))} ${text(useTopic(topic))}`;
  const joined = '{"joined":true,"denied":false}';
  const apart = '{"joined":false,"denied":false}';

  it("join once for several components, leave with the last, and join again after a reconnect", async () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => <Interests key={i} room="work_order_1" topic="reservation" />);
    const { transport, render, page } = await show(many(3));
    await expect.poll(page.text).toBe(`${joined} ${joined}`.repeat(3));
    const asked = [
      { type: "join", room: "work_order_1" },
      { type: "subscribe", topic: "reservation" },
    ];
    expect(transport.last.sent).toEqual(asked);
    render(many(1));
    await frames();
    expect(transport.last.sent).toEqual(asked);
    // The next attempt is made half a second later.
    vi.mocked(Math.random).mockReturnValue(0.5);
    transport.last.drop(1006);
    await expect.poll(page.text).toBe(`${apart} ${apart}`);
    await expect.poll(page.text).toBe(`${joined} ${joined}`);
    expect(transport.sockets).toHaveLength(2);
    expect(transport.last.sent).toEqual(asked);
    render(many(0));
    await expect.poll(() => transport.last.sent.length).toBe(4);
    expect(transport.last.sent.slice(2)).toEqual([
      { type: "leave", room: "work_order_1" },
      { type: "unsubscribe", topic: "reservation" },
    ]);
  });

  it("follow another name, and do nothing with null", async () => {
    const { transport, render, page } = await show(<Interests room="a" topic={null} />);
    await expect.poll(page.text).toBe(`${joined} ${apart}`);
    render(<Interests room="b" topic={null} />);
    await expect.poll(() => transport.last.sent).toEqual([
      { type: "join", room: "a" },
      { type: "join", room: "b" },
      { type: "leave", room: "a" },
    ]);
  });

  it("say that the server has refused, until the next connection", async () => {
    const { transport, page } = await show(<Interests room="secret" topic={null} />);
    transport.last.receive("denied", { room: "other" });
    await frames();
    expect(page.text()).toBe(`${joined} ${apart}`);
    transport.last.receive("denied", { room: "secret" });
    await expect.poll(page.text).toBe(`{"joined":false,"denied":true} ${apart}`);
    transport.last.drop(1006);
    await expect.poll(page.text).toBe(`${joined} ${apart}`);
  });
});

describe("useRequest", () => {
  it("has the state of the latest run, and rejects as the client does", async () => {
    const answers: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = [];
    const transport = scripted();
    const client = createClient({ url: "/ws/", transport });
    vi.spyOn(client, "request").mockImplementation(() => new Promise((resolve, reject) => void answers.push({ resolve: resolve as (answer: unknown) => void, reject })));
    let run: (data: unknown) => Promise<number> = () => Promise.reject(new Error());
    const Ask = () => {
      const request = useRequest<number>("sum");
      run = request.run;
      return `${request.data ?? ""}|${request.error?.message ?? ""}|${request.isPending}`;
    };
    const page = mount(
      <ChannelgateProvider client={client}>
        <Ask />
      </ChannelgateProvider>,
    );
    await expect.poll(page.text).toBe("||false");
    const [first, second] = [run(1), run(2)];
    await expect.poll(page.text).toBe("||true");
    answers[1]?.resolve(20);
    answers[0]?.resolve(10);
    expect(await Promise.all([first, second])).toEqual([10, 20]);
    await expect.poll(page.text).toBe("20||false");
    const third = run(3);
    answers[2]?.reject(new Error("too late"));
    await expect(third).rejects.toThrow("too late");
    await expect.poll(page.text).toBe("20|too late|false");
  });
});

describe("useMissed", () => {
  it("runs the latest handler; recovering until it resolves; again when it rejects", async () => {
    const calls: { missed: Missed; resolve: () => void; reject: (error: Error) => void }[] = [];
    const shown: string[] = [];
    const Load = () => {
      const recovery = useStatus((now) => now.recovery);
      shown.push(recovery);
      useMissed((missed) => new Promise<void>((resolve, reject) => void calls.push({ missed, resolve, reject })));
      return recovery;
    };
    const { transport, page } = await show(<Load />);
    transport.last.receive("gap", { reason: "redis", groups: ["orders"] });
    await expect.poll(page.text).toBe("recovering");
    expect(calls[0]?.missed).toMatchObject({ reason: "gap", groups: ["orders"] });
    calls[0]?.reject(new Error("500"));
    // For a second at least, which a busy machine may sleep through.
    await expect.poll(() => shown).toContain("missed");
    await expect.poll(() => calls.length).toBe(2);
    calls[1]?.resolve();
    await expect.poll(page.text).toBe("live");
    expect(calls).toHaveLength(2);
  });
});

describe("usePresence", () => {
  const Online = () => {
    const { online, users } = usePresence();
    return `${[...online].join()} ${users.map(({ name, status }) => `${name}:${status}`).join()}`;
  };

  it("follows who comes, goes and does something", async () => {
    const { transport, page } = await show(<Online />);
    transport.last.receive("user_online", { userId: 7, userName: "Tia" });
    transport.last.receive("user_online", { userId: 8, userName: "Tom" });
    transport.last.receive("user_presence_update", { userId: "7", userName: "Tia", status: "viewing" });
    await expect.poll(page.text).toBe("8,7 Tom:null,Tia:viewing");
    transport.last.receive("user_offline", { userId: 8 });
    transport.last.receive("user_online", { other: true });
    await expect.poll(page.text).toBe("7 Tia:viewing");
  });

  it("begins anew when events may have been missed", async () => {
    const { transport, page } = await show(<Online />);
    transport.last.receive("user_online", { userId: 7, userName: "Tia" });
    await expect.poll(page.text).toBe("7 Tia:null");
    transport.last.receive("gap", { reason: "reconnected", groups: null });
    await expect.poll(page.text).toBe(" ");
  });

  it("takes other names of events, and other data", async () => {
    const user = (data: Readonly<Record<string, unknown>>) => ({ id: String(data["who"]), name: null, status: null, data });
    const events = { online: "joined", offline: "left" };
    const Other = () => [...usePresence({ events, user }).online].join();
    const { transport, page } = await show(<Other />);
    transport.last.receive("joined", { who: "a" });
    await expect.poll(page.text).toBe("a");
    transport.last.receive("left", { who: "a" });
    await expect.poll(page.text).toBe("");
  });
});

describe("useTyping", () => {
  const Field = ({ room = "work_order_1" }: { room?: string | null }) => {
    const { typing, bind } = useTyping(room);
    return (
      <p>
        {typing.map(({ name }) => name).join()}
        <input {...bind} />
      </p>
    );
  };

  it("shows others until they stop, or give no sign for five seconds", async () => {
    const { transport, page } = await show(<Field />);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    transport.last.receive("user_typing_start", { userId: 7, userName: "Tia" });
    transport.last.receive("user_typing_start", { userId: 8, userName: "Tom" });
    transport.last.receive("user_typing_start", { userId: 9, userName: "Elsewhere", roomName: "work_order_2" });
    await frames();
    expect(page.text()).toBe("Tia,Tom");
    transport.last.receive("user_typing_stop", { userId: 7 });
    vi.advanceTimersByTime(4_000);
    await frames();
    expect(page.text()).toBe("Tom");
    transport.last.receive("user_typing_start", { userId: 8, userName: "Tom" });
    vi.advanceTimersByTime(4_900);
    await frames();
    expect(page.text()).toBe("Tom");
    vi.advanceTimersByTime(200);
    await frames();
    expect(page.text()).toBe("");
  });

  const start = { type: "typing_start", roomName: "work_order_1", message: "" };
  const stop = { type: "typing_stop", roomName: "work_order_1" };
  const press = (page: { element: HTMLElement }, key: string) =>
    page.element.querySelector("input")?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

  it("says at most every three seconds that this person types", async () => {
    const { transport, page } = await show(<Field />);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    for (let i = 0; i < 8; i++) {
      press(page, "a");
      vi.advanceTimersByTime(1_000);
    }
    expect(transport.last.sent).toEqual([start, start, start]);
  });

  it("stops after a pause, on blur, and with the component", async () => {
    const { transport, page, render } = await show(<Field />);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    press(page, "Tab");
    press(page, "a");
    vi.advanceTimersByTime(3_100);
    expect(transport.last.sent).toEqual([start, stop]);
    press(page, "a");
    page.element.querySelector("input")?.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
    expect(transport.last.sent).toEqual([start, stop, start, stop]);
    vi.advanceTimersByTime(3_100);
    press(page, "a");
    vi.useRealTimers();
    render(null);
    await expect.poll(() => transport.last.sent).toEqual([start, stop, start, stop, start, stop]);
  });

  it("sends nothing without a room, and nothing that waits for a connection", async () => {
    const { transport, page, client, render } = await show(<Field room={null} />);
    press(page, "a");
    expect(transport.last.sent).toEqual([]);
    render(<Field />);
    await frames();
    transport.last.drop(1006);
    press(page, "a");
    expect(client.snapshot().queued).toBe(0);
  });
});
