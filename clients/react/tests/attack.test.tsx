// What strangers do to the hooks: other users, careless props, hostile servers, storage that fails, and thousands of
// components. Each case has broken something once, or could in a way that nothing else tries.

import { createClient } from "@channelgate/client";
import { createTestClient } from "@channelgate/client/testing";
import {
  ChannelgateProvider,
  useClient,
  useEvents,
  useLiveList,
  usePresence,
  useRequest,
  useRoom,
  useSend,
  useStatus,
  useTyping,
  type ChannelgateProviderProps,
  type PersistStorage,
} from "@channelgate/react";
import { NotificationList, Toasts, useToasts } from "@channelgate/react/components";
import { configure, parkingClient, useNotifications } from "@channelgate/react/parking";
import { WebSocketProvider as ShopProvider } from "@channelgate/react/repair-shop";
import { Component, useEffect, useState, type ReactNode } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";

import { useHeld } from "../src/preset/held.js";
import { stored } from "../src/preset/stored.js";
import { frames, mount, noConsoleErrors, scripted } from "./support.js";

afterEach(() => vi.restoreAllMocks());

/** Errors that are reported as uncaught, which would end the test run. */
function uncaught(): string[] {
  const errors: string[] = [];
  const listener = (event: ErrorEvent) => {
    errors.push(event.message);
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  window.addEventListener("error", listener, { capture: true });
  ends.push(() => window.removeEventListener("error", listener, { capture: true }));
  return errors;
}
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Item {
  id: number;
  name: string;
}

describe("another user", () => {
  noConsoleErrors();

  const Everything = ({ who, answer }: { who: string; answer: Promise<Item[]> }) => {
    const { items } = useLiveList<Item>({ load: () => answer, key: ({ id }) => id, events: { upsert: ["item"] } });
    const events = useEvents("note");
    const { users } = usePresence();
    const { show } = useToasts();
    const status = useStatus(({ status: now }) => now);
    const send = useSend();
    useEffect(() => {
      if (who === "Ann" && status === "open") show({ title: "toast of Ann", duration: null });
    }, [who, status, show]);
    return (
      <div>
        <p>{`${who} ${status} ${items.map(({ name }) => name).join()} ${events.map(({ data }) => String(data)).join()} ${users.map(({ id }) => id).join()}`}</p>
        <Toasts />
        <button onClick={() => send("secret", { of: who })} />
      </div>
    );
  };

  const cases: [string, (transport: ReturnType<typeof scripted>) => (who: string) => ChannelgateProviderProps][] = [
    ["a client that the provider makes", (transport) => (who) => ({ url: "/ws/", transport, user: who, token: `of ${who}` })],
    ["a token as a text, and no user", (transport) => (who) => ({ url: "/ws/", transport, token: `of ${who}` })],
    ["a function for the token", (transport) => (who) => ({ url: "/ws/", transport, user: who, token: () => `of ${who}` })],
    [
      "a client of the application",
      (transport) => {
        let now = "";
        const client = createClient({ url: "/ws/", transport, token: () => `of ${now}` });
        return (who) => {
          now = who;
          return { client, user: who };
        };
      },
    ],
  ];

  it.each(cases)("sees nothing of the former one: %s", async (_, make) => {
    const transport = scripted();
    const props = make(transport);
    const never = new Promise<Item[]>(() => undefined);
    const tree = (who: string, answer: Promise<Item[]>) => (
      <ChannelgateProvider {...props(who)}>
        <Everything who={who} answer={answer} />
      </ChannelgateProvider>
    );
    const page = mount(tree("Ann", Promise.resolve([{ id: 1, name: "diary" }])));
    await expect.poll(page.text).toContain("Ann open diary");
    transport.last.receive("note", "note of Ann");
    transport.last.receive("user_online", { userId: "friend of Ann" });
    await expect.poll(page.text).toContain("note of Ann friend of Ann");
    expect(page.text()).toContain("toast of Ann");
    transport.last.drop(1006);
    page.element.querySelector<HTMLElement>("button:last-of-type")?.click();
    page.element.querySelectorAll("button").forEach((button) => button.click());

    page.render(tree("Bob", never));
    await expect.poll(page.text).toMatch(/^Bob/);
    expect(page.text()).not.toMatch(/diary|of Ann/);
    await expect.poll(page.text).toContain("Bob open");
    await frames(4);
    expect(page.text()).not.toMatch(/diary|of Ann/);
    expect(transport.last.asked.token).toBe("of Bob");
    expect(JSON.stringify(transport.last.sent)).not.toContain("Ann");
    await expect.poll(() => transport.alive).toBe(1);
    transport.last.receive("note", "for Bob");
    await expect.poll(page.text).toContain("for Bob");
  });

  it("does not see the answer to a request of the former one", async () => {
    const client = createTestClient();
    client.answer("whoami", () => "Ann");
    const Ask = () => {
      const { run, data } = useRequest<string>("whoami");
      return <button onClick={() => void run()}>{data ?? "nobody"}</button>;
    };
    const tree = (user: string) => (
      <ChannelgateProvider client={client} user={user}>
        <Ask />
      </ChannelgateProvider>
    );
    const page = mount(tree("Ann"));
    await frames();
    client.open();
    page.element.querySelector("button")?.click();
    await expect.poll(page.text).toBe("Ann");
    page.render(tree("Bob"));
    await expect.poll(page.text).toBe("nobody");
  });

  it("does not see the notifications of the former one on a page without a provider", async () => {
    class Fake {
      static last: Fake | undefined;
      static opened: string[] = [];
      readyState = 1;
      onopen: (() => void) | null = null;
      onmessage: ((event: { data: string }) => void) | null = null;
      constructor(url: string) {
        Fake.opened.push(url);
        Fake.last = this;
        queueMicrotask(() => this.onopen?.());
      }
      send = () => undefined;
      close = () => undefined;
    }
    vi.stubGlobal("WebSocket", Fake);
    ends.push(() => vi.unstubAllGlobals());
    const jwt = (user: number) => `x.${btoa(JSON.stringify({ user_id: user }))}.x`;
    configure({ token: jwt(1) });
    const List = () => <>{useNotifications().notifications.map(({ message }) => message).join()}</>;
    const page = mount(<List />);
    await expect.poll(() => parkingClient().snapshot().status).toBe("open");
    Fake.last?.onmessage?.({ data: '{"type":"notification","message":"for Ann"}' });
    await expect.poll(page.text).toBe("for Ann");
    page.unmount();
    configure({ token: jwt(2) });
    const other = mount(<List />);
    await frames(4);
    expect(other.text()).toBe("");
    await expect.poll(() => decodeURIComponent(Fake.opened.at(-1) ?? "")).toContain(jwt(2));
    other.unmount();
    await expect.poll(() => parkingClient().snapshot().status).toBe("closed");
  });

  it("has a connection of their own in the repair shop, where the token is a function", async () => {
    const clients: unknown[] = [];
    const asked: string[] = [];
    function Seen({ who }: { who: string }) {
      clients.push(useClient("repair-shop"));
      return <input aria-label="kept" placeholder={who} />;
    }
    const tree = (who: string) => (
      <ShopProvider user={who} token={() => (asked.push(who), Promise.reject(new Error("no server")))}>
        <Seen who={who} />
      </ShopProvider>
    );
    const page = mount(tree("Ann"));
    await expect.poll(() => asked).toContain("Ann");
    const input = page.element.querySelector("input");
    const first = clients.at(-1);
    page.render(tree("Bob"));
    await expect.poll(() => asked).toContain("Bob");
    expect(clients.at(-1)).not.toBe(first);
    // What is below the provider stays.
    expect(page.element.querySelector("input")).toBe(input);
    page.unmount();
  });

  it("who is not a number does not render for ever", async () => {
    const transport = scripted();
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={transport} user={NaN}>
        <Shown />
      </ChannelgateProvider>,
    );
    await expect.poll(page.text).toBe("open");
    expect(transport.sockets).toHaveLength(1);
  });
});

function Shown() {
  return <>{useStatus(({ status }) => status)}</>;
}

describe("functions that each render makes anew", () => {
  noConsoleErrors();

  it("usePresence and useTyping keep who they have seen", async () => {
    const transport = scripted();
    const Names = () => {
      const [n, setN] = useState(0);
      const user = (data: Readonly<Record<string, unknown>>) => ({ id: String(data["who"]), name: null, status: null, data });
      const { users } = usePresence({ user });
      const { typing } = useTyping("r", { user });
      return <button onClick={() => setN(n + 1)}>{`${n} ${users.map(({ id }) => id).join()} ${typing.map(({ id }) => id).join()}`}</button>;
    };
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={transport}>
        <Names />
        <Shown />
      </ChannelgateProvider>,
    );
    await expect.poll(page.text).toContain("open");
    transport.last.receive("user_online", { who: "a" });
    transport.last.receive("user_typing_start", { who: "b" });
    await expect.poll(page.text).toContain("0 a b");
    page.element.querySelector("button")?.click();
    await expect.poll(page.text).toContain("1 a b");
  });
});

describe("mistakes of one component", () => {
  it("`sort` that throws does not keep others from being shown", async () => {
    const errors = uncaught();
    const client = createTestClient();
    let isBroken = false;
    const Broken = () => {
      useLiveList<Item>({
        load: () => Promise.resolve([{ id: 5, name: "" }, { id: 6, name: "" }]),
        key: ({ id }) => id,
        events: { upsert: ["item"] },
        sort: () => {
          if (isBroken) throw new Error("a bad sort");
          return 0;
        },
      });
      return null;
    };
    const Other = () => <>{useEvents("item").length}</>;
    const page = mount(
      <ChannelgateProvider client={client}>
        <Broken />
        <Other />
      </ChannelgateProvider>,
    );
    await frames();
    client.open();
    client.receive("item", { id: 1 });
    await expect.poll(page.text).toBe("1");
    isBroken = true;
    client.receive("item", { id: 2 });
    await expect.poll(page.text).toBe("2");
    await expect.poll(() => errors.join()).toContain("a bad sort");
  });
});

describe("a hostile server", () => {
  class Boundary extends Component<{ children: ReactNode }, { isBroken: boolean }> {
    override state = { isBroken: false };
    static getDerivedStateFromError() {
      return { isBroken: true };
    }
    override render() {
      return this.state.isBroken ? "broken" : this.props.children;
    }
  }

  it.each([[{ a: 1 }], [["x"]], [5], [{ toString: null }]])("%j where a text is meant is shown, and breaks nothing", async (odd) => {
    const client = createTestClient();
    const Show = () => {
      const { show } = useToasts();
      useEffect(() => void show({ title: odd as never, body: odd as never, duration: null }), [show]);
      return <Toasts />;
    };
    const page = mount(
      <Boundary>
        <ChannelgateProvider client={client}>
          <Show />
          <NotificationList items={[{ id: 1, title: odd as never, body: odd as never, at: new Date("odd"), data: { odd } }]} />
        </ChannelgateProvider>
      </Boundary>,
      { strict: false },
    );
    await frames(4);
    expect(page.text()).not.toContain("broken");
    expect(page.text()).toContain(typeof odd === "object" ? JSON.stringify(odd) : "5");
  });
});

describe("what is stored", () => {
  const memory = (initial: Record<string, string> = {}) => {
    const all = new Map(Object.entries(initial));
    const storage: PersistStorage & { all: Map<string, string> } = {
      all,
      getItem: (key) => all.get(key) ?? null,
      setItem: (key, value) => void all.set(key, value),
      removeItem: (key) => void all.delete(key),
    };
    return storage;
  };
  const never = () => new Promise<Item[]>(() => undefined);
  const List = ({ storage, id, load = never }: { storage: PersistStorage; id?: number; load?: () => Promise<Item[]> }) => {
    const { items, status } = useLiveList<Item>({ load, key: (item) => item.id, events: {}, persist: { key: "k", storage, user: "u" }, ...(id !== undefined && { id }) });
    return <>{`${status} ${items.map(({ name }) => name).join()}`}</>;
  };
  const item = (items: unknown) => JSON.stringify({ user: "u", at: Date.now(), items });

  it.each(["{", "null", "5", "[]", '"x"', item([null]), item([[], 3]), item("abc"), item(null)])("%s is thrown away", async (text) => {
    const rejections: unknown[] = [];
    const listener = (event: PromiseRejectionEvent) => {
      rejections.push(event.reason);
      event.preventDefault();
    };
    window.addEventListener("unhandledrejection", listener);
    ends.push(() => window.removeEventListener("unhandledrejection", listener));
    const storage = memory({ "channelgate:k": text });
    const client = createTestClient();
    const page = mount(
      <ChannelgateProvider client={client}>
        <List storage={storage} />
      </ChannelgateProvider>,
      { strict: false },
    );
    await frames(4);
    expect(rejections).toEqual([]);
    expect(page.text()).toMatch(/^(loading|cached)/);
  });

  it("of another `id` is not shown", async () => {
    const storage = memory();
    const client = createTestClient();
    const tree = (id: number, load: () => Promise<Item[]>) => (
      <ChannelgateProvider client={client}>
        <List storage={storage} id={id} load={load} />
      </ChannelgateProvider>
    );
    const page = mount(tree(1, () => Promise.resolve([{ id: 1, name: "of one" }])));
    await frames();
    client.open();
    await expect.poll(page.text).toBe("ready of one");
    page.render(tree(2, never));
    await frames(6);
    expect(page.text()).toBe("loading ");
    page.render(tree(1, never));
    await expect.poll(page.text).toBe("cached of one");
  });

  it("cannot be read where storage is blocked: a preset renders without a token", () => {
    vi.spyOn(window, "localStorage", "get").mockImplementation(() => {
      throw new DOMException("blocked", "SecurityError");
    });
    expect(stored("token")).toBe(null);
  });
});

describe("thousands", () => {
  noConsoleErrors();

  it("of mounts and unmounts leave one connection, and nothing that listens", async () => {
    const transport = scripted();
    const client = createClient({ url: "/ws/", transport });
    let handlers = 0;
    const { on, subscribe, onMissed } = client;
    const counted =
      <A extends unknown[]>(add: (...args: A) => () => void) =>
      (...args: A) => {
        handlers += 1;
        const end = add(...args);
        return () => {
          handlers -= 1;
          end();
        };
      };
    client.on = counted(on) as typeof on;
    client.subscribe = counted(subscribe);
    client.onMissed = counted(onMissed);
    const One = () => {
      useRoom("r");
      usePresence();
      useTyping("r");
      useEvents("x");
      useLiveList<Item>({ load: () => Promise.resolve([]), key: ({ id }) => id, events: { upsert: ["x"] } });
      return null;
    };
    const tree = (n: number) => (
      <ChannelgateProvider client={client}>
        <Shown />
        {n < 0 ? null : Array.from({ length: 100 }, (_, i) => <One key={`${n} ${i}`} />)}
      </ChannelgateProvider>
    );
    const page = mount(tree(-1), { strict: false });
    await expect.poll(page.text).toBe("open");
    await frames();
    const before = handlers;
    for (let n = 0; n < 100; n += 1) {
      page.render(tree(n));
      await new Promise((resolve) => setTimeout(resolve));
    }
    page.render(tree(-1));
    await frames(4);
    expect(handlers).toBe(before);
    expect(transport.sockets).toHaveLength(1);
    expect(transport.last.sent.length % 2).toBe(0);
  });

  it("of rooms that a preset's component joins and leaves", async () => {
    let held: ReturnType<typeof useHeld> | undefined;
    let active = 0;
    const Hold = () => {
      const own = useHeld();
      useEffect(() => {
        held = own;
      }, [own]);
      return null;
    };
    const page = mount(<Hold />, { strict: false });
    await frames();
    let ended = 0;
    for (let n = 0; n < 10_000; n += 1) {
      held?.hold(n, () => {
        active += 1;
        return () => {
          active -= 1;
          ended += 1;
        };
      });
      held?.end(n);
      held?.end(n);
    }
    expect([active, ended]).toEqual([0, 10_000]);
    held?.hold("a", () => () => (ended += 1));
    page.unmount();
    await frames();
    expect(ended).toBe(10_001);
  });
});
