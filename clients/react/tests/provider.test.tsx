// The provider: one connection, whatever React does to the tree below and above it.

import * as React from "react";
import {
  ChannelgateProvider,
  useClient,
  useEvent,
  useEvents,
  useLiveList,
  useMissed,
  usePresence,
  useQuality,
  useRoom,
  useSend,
  useStatus,
  useTyping,
  type ChannelgateProviderProps,
} from "@channelgate/react";
import { createClient } from "@channelgate/client";
import { Component, Suspense, useEffect, useState, type ReactNode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { describe, expect, it, vi } from "vitest";

import { frames, mount, noConsoleErrors, scripted } from "./support.js";

const twenty = Array.from({ length: 20 }, (_, i) => i);

function Shown() {
  return <span>{useStatus(({ status }) => status)} </span>;
}

function Listener({ event, heard }: { event: string; heard: (data: unknown) => void }) {
  useEvent(event, heard);
  return null;
}

/** React 19 only. */
const Activity = (React as { Activity?: React.ComponentType<{ mode: "visible" | "hidden"; children: ReactNode }> }).Activity;

describe("one connection", () => {
  noConsoleErrors();

  it.each([true, false])("for twenty components (StrictMode: %s)", async (strict) => {
    const transport = scripted();
    const heard = vi.fn();
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={transport}>
        {twenty.map((i) => (
          <span key={i}>
            <Shown />
            <Listener event="tick" heard={heard} />
          </span>
        ))}
      </ChannelgateProvider>,
      { strict },
    );
    await expect.poll(page.text).toBe("open ".repeat(20));
    transport.last.receive("tick", 1);
    expect(heard).toHaveBeenCalledTimes(20);
    expect(transport.sockets).toHaveLength(1);
    expect(transport.alive).toBe(1);
    page.unmount();
    await expect.poll(() => transport.alive).toBe(0);
    expect(transport.sockets).toHaveLength(1);
  });

  it("for components that come and go, each event once", async () => {
    const transport = scripted();
    const heard = vi.fn();
    const tree = (shown: number[]) => (
      <ChannelgateProvider url="/ws/" transport={transport}>
        <Shown />
        {shown.map((i) => (
          <Listener key={i} event="tick" heard={heard} />
        ))}
      </ChannelgateProvider>
    );
    const page = mount(tree([0]));
    await expect.poll(page.text).toBe("open ");
    for (let i = 1; i < 30; i++) {
      page.render(tree(i % 3 ? [i] : []));
      if (i % 5 === 0) await frames(1);
    }
    page.render(tree([99]));
    await frames();
    transport.last.receive("tick", 1);
    expect(heard).toHaveBeenCalledTimes(1);
    expect(transport.sockets).toHaveLength(1);
  });

  it("when a provider is taken away and put back fast", async () => {
    const transport = scripted();
    const client = createClient({ url: "/ws/", transport });
    const tree = (key: number) => (
      <ChannelgateProvider key={key} client={client}>
        <Shown />
      </ChannelgateProvider>
    );
    const page = mount(tree(0));
    await expect.poll(page.text).toBe("open ");
    for (let i = 1; i < 10; i++) page.render(tree(i));
    await frames();
    expect(page.text()).toBe("open ");
    expect(transport.sockets).toHaveLength(1);
  });

  it("stays one when a provider that makes its client is mounted anew, as hot reloading does", async () => {
    const transport = scripted();
    const tree = (key: number) => (
      <ChannelgateProvider key={key} url="/ws/" transport={transport}>
        <Shown />
      </ChannelgateProvider>
    );
    const page = mount(tree(0));
    await expect.poll(page.text).toBe("open ");
    page.render(tree(1));
    await expect.poll(() => transport.sockets.length).toBe(2);
    await expect.poll(page.text).toBe("open ");
    expect(transport.alive).toBe(1);
  });

  describe.each([true, false])("at a time (StrictMode: %s)", (strict) => {
    interface Route {
      key: number;
      url?: string;
      user?: number;
    }

    it.each<[string, Route, Route]>([
      ["is mounted anew", { key: 1 }, { key: 2 }],
      ["is mounted anew with another address", { key: 1 }, { key: 2, url: "/ws/b" }],
      ["has another address", { key: 1 }, { key: 1, url: "/ws/b" }],
      ["has another user", { key: 1, user: 7 }, { key: 1, user: 8 }],
    ])("when a provider that makes its client %s", async (_, before, after) => {
      const transport = scripted();
      const tree = ({ key, url = "/ws/", user }: Route) => (
        <ChannelgateProvider key={key} url={url} user={user} transport={transport}>
          <Shown />
        </ChannelgateProvider>
      );
      const page = mount(tree(before), { strict });
      for (const [index, route] of [before, after, before, after].entries()) {
        page.render(tree(route));
        await expect.poll(() => transport.sockets.length).toBe(index + 1);
        await expect.poll(page.text).toBe("open ");
      }
      expect(transport.most).toBe(1);
      page.unmount();
      await expect.poll(() => transport.alive).toBe(0);
      expect(transport.sockets).toHaveLength(4);
    });

    it("when providers are mounted anew faster than they connect", async () => {
      const transport = scripted();
      const tree = (key: number) => (
        <ChannelgateProvider key={key} url="/ws/" transport={transport}>
          <Shown />
        </ChannelgateProvider>
      );
      const page = mount(tree(0), { strict });
      await expect.poll(page.text).toBe("open ");
      for (let key = 1; key < 20; key++) {
        page.render(tree(key));
        if (key % 3 === 0) await frames(1);
        else if (key % 3 === 1) await new Promise((resolve) => setTimeout(resolve));
      }
      await expect.poll(page.text).toBe("open ");
      expect([transport.most, transport.alive]).toEqual([1, 1]);
      page.render(tree(20));
      page.unmount();
      await expect.poll(() => transport.alive).toBe(0);
    });

    it("of each of two that are mounted anew together", async () => {
      const [outer, inner] = [scripted(), scripted()];
      const tree = (key: number) => (
        <ChannelgateProvider key={key} name="outer" url="/ws/a" transport={outer}>
          <ChannelgateProvider url="/ws/b" transport={inner}>
            <Shown />
          </ChannelgateProvider>
        </ChannelgateProvider>
      );
      const page = mount(tree(0), { strict });
      await expect.poll(page.text).toBe("open ");
      expect([outer.sockets.length, inner.sockets.length]).toEqual([1, 1]);
      page.render(tree(1));
      await expect.poll(() => [outer.sockets.length, inner.sockets.length]).toEqual([2, 2]);
      expect([outer.most, inner.most]).toEqual([1, 1]);
    });
  });

  it("below Suspense", async () => {
    const transport = scripted();
    const heard = vi.fn();
    let resume: () => void = () => undefined;
    let isReady = false;
    const promise = new Promise<void>((resolve) => {
      resume = () => {
        isReady = true;
        resolve();
      };
    });
    const Slow = () => {
      if (!isReady) throw promise;
      return <Shown />;
    };
    const page = mount(
      <Suspense fallback="wait">
        <ChannelgateProvider url="/ws/" transport={transport}>
          <Listener event="tick" heard={heard} />
          <Slow />
        </ChannelgateProvider>
      </Suspense>,
    );
    await expect.poll(page.text).toBe("wait");
    resume();
    await expect.poll(page.text).toBe("open ");
    transport.last.receive("tick", 1);
    expect(heard).toHaveBeenCalledTimes(1);
    expect(transport.sockets).toHaveLength(1);
  });

  it.runIf(Activity)("below <Activity>: hidden components hear nothing, and listen again", async () => {
    if (!Activity) return;
    const transport = scripted();
    const heard = vi.fn();
    // Its effects are those of the component beside it: React runs both together, at a time of its own.
    const effects = new Set<string>();
    const Beside = () => {
      useEffect(() => {
        effects.add("beside");
        return () => void effects.delete("beside");
      }, []);
      return null;
    };
    const tree = (mode: "visible" | "hidden") => (
      <ChannelgateProvider url="/ws/" transport={transport}>
        <Shown />
        <Activity mode={mode}>
          <Listener event="tick" heard={heard} />
          <Beside />
        </Activity>
      </ChannelgateProvider>
    );
    const page = mount(tree("visible"));
    await expect.poll(page.text).toBe("open ");
    await expect.poll(() => effects.size).toBe(1);
    transport.last.receive("tick", 1);
    expect(heard).toHaveBeenCalledTimes(1);
    page.render(tree("hidden"));
    await expect.poll(() => effects.size).toBe(0);
    transport.last.receive("tick", 2);
    expect(heard).toHaveBeenCalledTimes(1);
    page.render(tree("visible"));
    await expect.poll(() => effects.size).toBe(1);
    transport.last.receive("tick", 3);
    expect(heard).toHaveBeenCalledTimes(2);
    expect(transport.sockets).toHaveLength(1);
  });

  it("shows the present state to a component that mounts late", async () => {
    const transport = scripted();
    const seen: string[] = [];
    const Late = () => {
      seen.push(useStatus(({ status }) => status));
      return null;
    };
    const tree = (late: boolean) => (
      <ChannelgateProvider url="/ws/" transport={transport}>
        <Shown />
        {late && <Late />}
      </ChannelgateProvider>
    );
    const page = mount(tree(false));
    await expect.poll(page.text).toBe("open ");
    page.render(tree(true));
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    expect(seen[0]).toBe("open");
  });
});

describe("props", () => {
  noConsoleErrors();

  const Tree = (props: ChannelgateProviderProps) => (
    <ChannelgateProvider {...props}>
      <Shown />
    </ChannelgateProvider>
  );

  it("another url is another connection, and the old one ends", async () => {
    const transport = scripted();
    const page = mount(<Tree url="/ws/a" transport={transport} />);
    await expect.poll(page.text).toBe("open ");
    page.render(<Tree url="/ws/b" transport={transport} />);
    await expect.poll(() => transport.sockets.length).toBe(2);
    await expect.poll(() => transport.alive).toBe(1);
    expect(transport.last.asked.url.pathname).toBe("/ws/b");
  });

  it("another function for the token changes nothing, and the latest one is asked", async () => {
    const transport = scripted();
    const page = mount(<Tree url="/ws/" transport={transport} token={() => "a"} />);
    await expect.poll(page.text).toBe("open ");
    page.render(<Tree url="/ws/" transport={transport} token={() => "b"} />);
    await frames();
    expect(page.text()).toBe("open ");
    expect(transport.sockets).toHaveLength(1);
    transport.last.drop(1012);
    await expect.poll(() => transport.sockets.length).toBe(2);
    expect(transport.last.asked.token).toBe("b");
  });

  it("a fresh token of the same user keeps the connection", async () => {
    const transport = scripted();
    const page = mount(<Tree url="/ws/" transport={transport} token="a" user={7} />);
    await expect.poll(page.text).toBe("open ");
    page.render(<Tree url="/ws/" transport={transport} token="b" user={7} />);
    await frames();
    expect(page.text()).toBe("open ");
    expect(transport.sockets).toHaveLength(1);
    transport.last.drop(1012);
    await expect.poll(() => transport.sockets.length).toBe(2);
    expect(transport.last.asked.token).toBe("b");
  });

  it("another token may be that of another user, and makes the connection anew", async () => {
    const transport = scripted();
    const page = mount(<Tree url="/ws/" transport={transport} token="a" />);
    await expect.poll(page.text).toBe("open ");
    page.render(<Tree url="/ws/" transport={transport} token="b" />);
    await expect.poll(() => transport.sockets.length).toBe(2);
    await expect.poll(() => transport.alive).toBe(1);
    expect(transport.last.asked.token).toBe("b");
  });

  it("a fresh token leaves unauthorized", async () => {
    const transport = scripted();
    const page = mount(<Tree url="/ws/" transport={transport} token="a" user={7} />);
    await expect.poll(page.text).toBe("open ");
    transport.last.drop(4403);
    await expect.poll(page.text).toBe("unauthorized ");
    page.render(<Tree url="/ws/" transport={transport} token="b" user={7} />);
    await expect.poll(page.text).toBe("open ");
    expect(transport.last.asked.token).toBe("b");
  });

  it("a token that is taken away ends the connection, and the next one begins another", async () => {
    const transport = scripted();
    const page = mount(<Tree url="/ws/" transport={transport} token="a" />);
    await expect.poll(page.text).toBe("open ");
    page.render(<Tree url="/ws/" transport={transport} token={null} />);
    await expect.poll(page.text).toBe("unauthorized ");
    expect(transport.alive).toBe(0);
    page.render(<Tree url="/ws/" transport={transport} token="b" />);
    await expect.poll(page.text).toBe("open ");
    expect(transport.last.asked.token).toBe("b");
    expect(transport.alive).toBe(1);
  });

  it("waits for a token that is not there yet", async () => {
    const transport = scripted();
    const page = mount(<Tree url="/ws/" transport={transport} token={undefined} />);
    await expect.poll(page.text).toBe("unauthorized ");
    page.render(<Tree url="/ws/" transport={transport} token="a" />);
    await expect.poll(page.text).toBe("open ");
    expect(transport.sockets).toHaveLength(1);
    expect(transport.last.asked.token).toBe("a");
  });

  it("another user makes the connection anew, and one that becomes known does not", async () => {
    const client = createClient({ url: "/ws/", transport: scripted() });
    const reconnect = vi.spyOn(client, "reconnect");
    const effects: (number | undefined)[] = [];
    const Mark = ({ user }: { user: number | undefined }) => {
      useEffect(() => void effects.push(user), [user]);
      return null;
    };
    const tree = (user?: number) => (
      <ChannelgateProvider client={client} user={user}>
        <Mark user={user} />
      </ChannelgateProvider>
    );
    const page = mount(tree(), { strict: false });
    await expect.poll(() => effects).toEqual([undefined]);
    const done = async (user?: number) => {
      page.render(tree(user));
      await expect.poll(() => effects.at(-1)).toBe(user);
      // The provider's effects run after those of its children, in the same turn.
      await frames(1);
      return reconnect.mock.calls.length;
    };
    expect(await done(7)).toBe(0);
    expect(await done(8)).toBe(1);
    expect(await done(8)).toBe(1);
    expect(await done(undefined)).toBe(2);
  });

  it("hooks find nested providers by name", async () => {
    const [one, two] = [scripted(), scripted()];
    const Both = () => {
      const [inner, outer] = [useClient(), useClient("outer")];
      const send = useSend("outer");
      useEffect(() => {
        if (inner !== outer) send("hi", { to: "outer" });
      }, [inner, outer, send]);
      return <Shown />;
    };
    const page = mount(
      <ChannelgateProvider name="outer" url="/ws/a" transport={one}>
        <ChannelgateProvider name="inner" url="/ws/b" transport={two}>
          <Both />
        </ChannelgateProvider>
      </ChannelgateProvider>,
      { strict: false },
    );
    await expect.poll(page.text).toBe("open ");
    await expect.poll(() => one.last.sent).toEqual([{ type: "hi", to: "outer" }]);
    expect(two.last.sent).toEqual([]);
  });
});

describe("on a server", () => {
  noConsoleErrors();

  function App({ transport }: { transport: ReturnType<typeof scripted> }) {
    const all = useStatus();
    useMissed(() => undefined);
    const room = useRoom("work_order_1");
    const { items, status } = useLiveList({ load: () => Promise.resolve(["a"]), key: String, events: {} });
    const { typing, bind } = useTyping("work_order_1");
    const counts = [items.length, typing.length, usePresence().users.length, useEvents("tick").length, useQuality().drops];
    return (
      <p title={`${status} ${counts.join()}`}>
        <input {...bind} />
        {all.status} {String(all.isConnected)} {String(room.joined)} {transport.tokenIn}
      </p>
    );
  }
  it("hydrates with a client that is open already: first as the server has rendered it", async () => {
    const client = createClient({ url: "/ws/", transport: scripted() });
    client.connect();
    await expect.poll(() => client.snapshot().status).toBe("open");
    const element = document.createElement("div");
    const tree = (
      <ChannelgateProvider client={client}>
        <Shown />
      </ChannelgateProvider>
    );
    element.innerHTML = renderToString(tree);
    expect(element.textContent).toBe("idle ");
    const root = hydrateRoot(element, tree, { onRecoverableError: (error) => console.error(error) });
    await expect.poll(() => element.textContent).toBe("open ");
    root.unmount();
    client.disconnect();
  });

  const app = (transport: ReturnType<typeof scripted>) => (
    <ChannelgateProvider url="/ws/" transport={transport}>
      <App transport={transport} />
    </ChannelgateProvider>
  );

  it("renders the idle state without a connection, and hydrates without a warning", async () => {
    const transport = scripted();
    const element = document.createElement("div");
    element.innerHTML = renderToString(app(transport));
    expect(element.textContent).toBe("idle false false query");
    expect(element.querySelector("p")?.title).toBe("loading 0,0,0,0,0");
    await frames();
    expect(transport.sockets).toHaveLength(0);
    const root = hydrateRoot(element, app(transport), { onRecoverableError: (error) => console.error(error) });
    await expect.poll(() => element.textContent).toBe("open true true query");
    expect(transport.sockets).toHaveLength(1);
    expect(transport.last.sent).toEqual([{ type: "join", room: "work_order_1" }]);
    root.unmount();
  });
});

describe("errors", () => {
  class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
    override state = { error: null as Error | null };
    static getDerivedStateFromError(error: Error) {
      return { error };
    }
    override render() {
      return this.state.error ? this.state.error.message : this.props.children;
    }
  }

  it.each([
    [undefined, 'useClient must be used within a ChannelgateProvider (both from "@channelgate/react")'],
    ["shop", 'useClient must be used within a ChannelgateProvider with name="shop" (both from "@channelgate/react")'],
  ])("say what to do without a provider (name: %s)", async (name, message) => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const Lost = () => {
      useClient(name);
      return null;
    };
    const page = mount(
      <Boundary>
        <Lost />
      </Boundary>,
    );
    await expect.poll(page.text).toBe(message);
    vi.restoreAllMocks();
  });
});

describe("changes are shown once per frame", () => {
  noConsoleErrors();

  it("5,000 events: each handler 5,000 calls, at most 70 renders a second", async () => {
    const transport = scripted();
    const handled = vi.fn();
    let renders = 0;
    const Burst = () => {
      renders++;
      const [last, setLast] = useState(0);
      useEvent("tick", (data) => {
        handled();
        if (data === 5_000) setLast(5_000);
      });
      return last;
    };
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={transport}>
        <Shown />
        <Burst />
      </ChannelgateProvider>,
      { strict: false },
    );
    await expect.poll(page.text).toBe("open 0");
    renders = 0;
    for (let i = 1; i <= 5_000; i++) transport.last.receive("tick", i);
    expect(handled).toHaveBeenCalledTimes(5_000);
    await expect.poll(page.text).toBe("open 5000");
    expect(renders).toBeLessThanOrEqual(2);
  });
});
