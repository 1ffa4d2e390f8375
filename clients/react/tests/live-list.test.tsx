// useLiveList: a snapshot and a stream, in every order in which they can come.

import { ChannelgateProvider, useLiveList, type LiveListOptions, type PersistStorage } from "@channelgate/react";
import { createTestClient } from "@channelgate/client/testing";
import * as React from "react";
import { describe, expect, it, vi } from "vitest";

import { frames, mount, noConsoleErrors, scripted } from "./support.js";

/** React 19 only. */
const Activity = (React as { Activity?: React.ComponentType<{ mode: "visible" | "hidden"; children: React.ReactNode }> }).Activity;

interface Person {
  id: number;
  name: string;
  version?: number;
}

type Load = LiveListOptions<Person>["load"];

/** A `load` that the test answers. */
function deferred() {
  const calls: { signal: AbortSignal; resolve: (items: Person[]) => void; reject: (error: Error) => void }[] = [];
  const load: Load = (signal) => new Promise((resolve, reject) => void calls.push({ signal, resolve, reject }));
  return { calls, load };
}

const named = (text: string): Person[] => (text ? text.split(" ").map((name, i) => ({ id: i + 1, name })) : []);

function People({ options }: { options: Partial<LiveListOptions<Person>> & { load: Load } }) {
  const { items, status, recovery, error } = useLiveList<Person>({
    key: ({ id }) => id,
    events: { upsert: ["saved"], remove: ["deleted"] },
    ...options,
  });
  return `${items.map(({ name }) => name).join(" ")}|${status}|${recovery}${error ? `|${error.message}` : ""}`;
}

async function start(options: Partial<LiveListOptions<Person>> = {}, user?: number | null) {
  const { calls, load } = deferred();
  const client = createTestClient();
  const tree = (more: Partial<LiveListOptions<Person>> = {}, who = user) => (
    <ChannelgateProvider client={client} {...(who === undefined ? {} : { user: who })}>
      <People options={{ load, ...options, ...more }} />
    </ChannelgateProvider>
  );
  const page = mount(tree());
  await expect.poll(() => client.connections).toBe(1);
  client.open();
  await expect.poll(() => calls.length).toBe(1);
  const call = (i: number) => {
    const found = calls[i];
    if (!found) throw new Error(`There is no load ${i}.`);
    return found;
  };
  return { client, calls, call, page, tree };
}

type Started = Awaited<ReturnType<typeof start>>;

/** Each row: what happens, in its order; what is shown in the end; how often it was loaded. */
const rows: [string, (list: Started) => void | Promise<void>, string, number][] = [
  ["a load alone", ({ call }) => call(0).resolve(named("Ann Bob")), "Ann Bob|ready|live", 1],
  [
    "an event after the load",
    async ({ call, client, page }) => {
      call(0).resolve(named("Ann Bob"));
      await expect.poll(page.text).toBe("Ann Bob|ready|live");
      client.receive("saved", { id: 2, name: "Bea" });
    },
    "Ann Bea|ready|live",
    1,
  ],
  [
    "an event during the load, which shows an older state",
    ({ call, client }) => {
      client.receive("saved", { id: 2, name: "Bea" });
      call(0).resolve(named("Ann Bob"));
    },
    "Ann Bea|ready|live",
    1,
  ],
  [
    "two events for one item during the load: the last one counts",
    ({ call, client }) => {
      client.receive("saved", { id: 2, name: "Bea" });
      client.receive("saved", { id: 2, name: "Ben" });
      call(0).resolve(named("Ann Bob"));
    },
    "Ann Ben|ready|live",
    1,
  ],
  [
    "a removal during the load, which still has the item",
    ({ call, client }) => {
      client.receive("deleted", { id: 1 });
      call(0).resolve(named("Ann Bob"));
    },
    "Bob|ready|live",
    1,
  ],
  [
    "removed and saved again during the load",
    ({ call, client }) => {
      client.receive("deleted", 1);
      client.receive("saved", { id: 1, name: "Amy" });
      call(0).resolve(named("Ann Bob"));
    },
    "Bob Amy|ready|live",
    1,
  ],
  [
    "an item that the load does not know yet",
    ({ call, client }) => {
      client.receive("saved", { id: 3, name: "Cem" });
      call(0).resolve(named("Ann Bob"));
    },
    "Ann Bob Cem|ready|live",
    1,
  ],
  [
    "events of other names",
    ({ call, client }) => {
      client.receive("other", { id: 3, name: "Cem" });
      call(0).resolve(named("Ann"));
    },
    "Ann|ready|live",
    1,
  ],
  [
    "a gap during the load: it is loaded once more, after it",
    async ({ call, calls, client }) => {
      client.gap("redis", ["people"]);
      await expect.poll(() => calls.length, { timeout: 200 }).toBe(1);
      call(0).resolve(named("Ann"));
      await expect.poll(() => calls.length).toBe(2);
      call(1).resolve(named("Ann Bob"));
    },
    "Ann Bob|ready|live",
    2,
  ],
  [
    "an event between the two loads of a miss",
    async ({ call, calls, client, page }) => {
      call(0).resolve(named("Ann"));
      await expect.poll(page.text).toBe("Ann|ready|live");
      client.gap();
      await expect.poll(() => calls.length).toBe(2);
      client.receive("saved", { id: 1, name: "Amy" });
      await expect.poll(page.text).toBe("Amy|ready|recovering");
      call(1).resolve(named("Ann Bob"));
    },
    "Amy Bob|ready|live",
    2,
  ],
  [
    "a lost connection: loaded anew when it is back",
    async ({ call, calls, client, page }) => {
      call(0).resolve(named("Ann"));
      await expect.poll(page.text).toBe("Ann|ready|live");
      client.drop();
      client.open();
      await expect.poll(() => calls.length).toBe(2);
      await expect.poll(page.text).toBe("Ann|ready|recovering");
      call(1).resolve(named("Ann Bob"));
    },
    "Ann Bob|ready|live",
    2,
  ],
  [
    "a load that fails after a miss: the items stay, and it is loaded again",
    async ({ call, calls, client, page }) => {
      call(0).resolve(named("Ann"));
      await expect.poll(page.text).toBe("Ann|ready|live");
      client.drop();
      client.open();
      await expect.poll(() => calls.length).toBe(2);
      call(1).reject(new Error("500"));
      await expect.poll(page.text).toBe("Ann|ready|missed|500");
      client.advance(1_000);
      await expect.poll(() => calls.length).toBe(3);
      call(2).resolve(named("Ann Bob"));
    },
    "Ann Bob|ready|live",
    3,
  ],
  ["a first load that fails", ({ call }) => call(0).reject(new Error("500")), "|error|live|500", 1],
];

describe("the order of load and events", () => {
  noConsoleErrors();

  it.each(rows)("%s", async (_, act, shown, loads) => {
    const list = await start();
    await act(list);
    await expect.poll(list.page.text).toBe(shown);
    await frames();
    expect(list.page.text()).toBe(shown);
    expect(list.calls).toHaveLength(loads);
  });

  it("one load in StrictMode, aborted when the component is gone, and its late result is not shown", async () => {
    const { call, calls, page } = await start();
    expect(calls).toHaveLength(1);
    expect(call(0).signal.aborted).toBe(false);
    page.unmount();
    expect(call(0).signal.aborted).toBe(true);
    call(0).resolve(named("Ann"));
    await frames();
    expect(calls).toHaveLength(1);
  });

  it("three misses during a load are one more load", async () => {
    const { call, calls, client, page } = await start();
    const stop = client.onMissed(() => undefined);
    for (let i = 0; i < 3; i++) {
      client.gap();
      await expect.poll(() => client.snapshot().recovery).toBe("recovering");
    }
    expect(calls).toHaveLength(1);
    call(0).resolve(named("Ann"));
    await expect.poll(() => calls.length).toBe(2);
    call(1).resolve(named("Ann Bob"));
    await expect.poll(page.text).toBe("Ann Bob|ready|live");
    expect(calls).toHaveLength(2);
    stop();
  });

  it("an unmounted list does not keep the connection recovering", async () => {
    const { call, client, page, tree, calls } = await start();
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    client.drop();
      client.open();
    await expect.poll(() => calls.length).toBe(2);
    page.render(<ChannelgateProvider client={client}>{null}</ChannelgateProvider>);
    await expect.poll(() => client.snapshot().recovery).toBe("live");
    expect(call(1).signal.aborted).toBe(true);
    page.render(tree());
    await expect.poll(() => calls.length).toBe(3);
  });

  it("a list that was loaded before the connection was open is loaded once more when it is", async () => {
    const transport = scripted({ manual: true });
    const { calls, load } = deferred();
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={transport}>
        <People options={{ load }} />
      </ChannelgateProvider>,
    );
    // Without a connection it waits only a moment.
    await expect.poll(() => calls.length).toBe(1);
    calls[0]?.resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    transport.last.events.opened();
    await expect.poll(() => calls.length).toBe(2);
    calls[1]?.resolve(named("Ann Bob"));
    await expect.poll(page.text).toBe("Ann Bob|ready|live");
  });

  it("one load for a list that mounts when something was missed, and then it is live", async () => {
    const client = createTestClient();
    const { calls, load } = deferred();
    const tree = (list: boolean) => <ChannelgateProvider client={client}>{list && <People options={{ load }} />}</ChannelgateProvider>;
    const page = mount(tree(false));
    await expect.poll(() => client.connections).toBe(1);
    client.open();
    client.gap();
    await expect.poll(() => client.snapshot().recovery).toBe("missed");
    page.render(tree(true));
    await expect.poll(() => calls.length).toBe(1);
    calls[0]?.resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|missed");
    // The client runs handlers that were added later after a pause.
    client.advance(2_000);
    await expect.poll(page.text).toBe("Ann|ready|live");
    expect(calls).toHaveLength(1);
  });

  it("reload() while the first load waits for the connection is that load", async () => {
    const transport = scripted({ manual: true });
    const { calls, load } = deferred();
    const Show = () => {
      const { reload } = useLiveList<Person>({ load, key: ({ id }) => id, events: {} });
      return <button onClick={() => void reload()}>again</button>;
    };
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={transport}>
        <Show />
      </ChannelgateProvider>,
    );
    await expect.poll(() => transport.sockets.length).toBe(1);
    page.element.querySelector("button")?.click();
    transport.last.events.opened();
    await expect.poll(() => calls.length).toBe(1);
    calls[0]?.resolve([]);
    await frames(4);
    expect(calls).toHaveLength(1);
  });

  it.runIf(Activity)("a list that was hidden by <Activity> is loaded anew when it is shown, and keeps its items until then", async () => {
    if (!Activity) return;
    const client = createTestClient();
    const { calls, load } = deferred();
    const tree = (mode: "visible" | "hidden") => (
      <ChannelgateProvider client={client}>
        <Activity mode={mode}>
          <People options={{ load }} />
        </Activity>
      </ChannelgateProvider>
    );
    const page = mount(tree("visible"));
    await expect.poll(() => client.connections).toBe(1);
    client.open();
    await expect.poll(() => calls.length).toBe(1);
    calls[0]?.resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    page.render(tree("hidden"));
    await expect.poll(() => calls[0]?.signal.aborted).toBe(true);
    client.receive("saved", { id: 1, name: "Amy" });
    page.render(tree("visible"));
    await expect.poll(() => calls.length).toBe(2);
    expect(page.text()).toBe("Ann|ready|live");
    calls[1]?.resolve(named("Amy"));
    await expect.poll(page.text).toBe("Amy|ready|live");
    expect(client.connections).toBe(1);
  });

  it("another id is another list", async () => {
    const { call, calls, page, tree } = await start({ id: 1 });
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    page.render(tree({ id: 2 }));
    await expect.poll(page.text).toBe("|loading|live");
    await expect.poll(() => calls.length).toBe(2);
    call(1).resolve(named("Bob"));
    await expect.poll(page.text).toBe("Bob|ready|live");
  });

  it("another user's list begins anew, and shows nothing of the former user", async () => {
    const { call, calls, page, tree } = await start({}, 7);
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    page.render(tree({}, 8));
    await expect.poll(page.text).toMatch(/^\|loading/);
    await expect.poll(() => calls.length).toBeGreaterThan(1);
  });

  it("reload() loads once more after a running load, and resolves with it", async () => {
    const reloads: (() => Promise<void>)[] = [];
    const { calls, load } = deferred();
    const Show = () => {
      const { items, reload } = useLiveList<Person>({ load, key: ({ id }) => id, events: {} });
      return <button onClick={() => reloads.push(reload)}>{items.map(({ name }) => name)}</button>;
    };
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={scripted()}>
        <Show />
      </ChannelgateProvider>,
    );
    await expect.poll(() => calls.length).toBe(1);
    page.element.querySelector("button")?.click();
    const done = vi.fn();
    void Promise.all([reloads[0]?.(), reloads[0]?.()]).then(done);
    calls[0]?.resolve(named("Ann"));
    await expect.poll(() => calls.length).toBe(2);
    expect(done).not.toHaveBeenCalled();
    calls[1]?.resolve(named("Bob"));
    await expect.poll(page.text).toBe("Bob");
    expect(done).toHaveBeenCalledTimes(1);
    expect(calls).toHaveLength(2);
  });
});

describe("items", () => {
  noConsoleErrors();

  it("are sorted and limited: the first ones with sort, the last ones without", async () => {
    const list = await start({ sort: (a, b) => a.name.localeCompare(b.name), limit: 2 });
    list.call(0).resolve(named("Cem Bob Ann"));
    await expect.poll(list.page.text).toBe("Ann Bob|ready|live");
    list.client.receive("deleted", { id: 3 });
    await expect.poll(list.page.text).toBe("Bob Cem|ready|live");
    const other = await start({ limit: 2 });
    other.call(0).resolve(named("Ann Bob Cem"));
    await expect.poll(other.page.text).toBe("Bob Cem|ready|live");
  });

  it("an older version does not replace a newer one", async () => {
    const { call, page, client } = await start({ version: ({ version }) => version ?? 0 });
    call(0).resolve([{ id: 1, name: "new", version: 3 }]);
    await expect.poll(page.text).toBe("new|ready|live");
    client.receive("saved", { id: 1, name: "old", version: 2 });
    await frames();
    expect(page.text()).toBe("new|ready|live");
    client.receive("saved", { id: 1, name: "newer", version: 4 });
    await expect.poll(page.text).toBe("newer|ready|live");
  });

  it("are made of events by `item` and `removed`, on top of what is there", async () => {
    const { call, page, client } = await start({
      item(data, _event, find) {
        const { person, suffix } = data as { person: number; suffix: string };
        const before = find(person);
        return before && { ...before, name: before.name + suffix };
      },
      removed: (data) => (data as { gone: number | null }).gone,
    });
    client.receive("saved", { person: 1, suffix: "!" });
    call(0).resolve(named("Ann Bob"));
    await expect.poll(page.text).toBe("Ann! Bob|ready|live");
    client.receive("saved", { person: 9, suffix: "?" });
    client.receive("deleted", { gone: null });
    client.receive("deleted", { gone: 2 });
    await expect.poll(page.text).toBe("Ann!|ready|live");
  });

  it("more than 10,000 events during a load make it fail, and the list keeps at most 1,000 items beyond its limit", async () => {
    const { call, client, page } = await start({ limit: 1 });
    for (let i = 0; i <= 10_000; i++) client.receive("saved", { id: i, name: `n${i}` });
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("n10000|error|live|too many events during the load");
    // What was beyond is forgotten.
    client.receive("deleted", { id: 10_000 });
    await expect.poll(page.text).toBe("|error|live|too many events during the load");
  });

  it("5,000 events are at most 70 renders a second", async () => {
    let renders = 0;
    const transport = scripted();
    const Count = () => {
      renders++;
      const { status, items } = useLiveList<Person>({ load: () => Promise.resolve([]), key: ({ id }) => id, events: { upsert: ["saved"] } });
      return `${status} ${items.length}`;
    };
    const page = mount(
      <ChannelgateProvider url="/ws/" transport={transport}>
        <Count />
      </ChannelgateProvider>,
      { strict: false },
    );
    // What comes before the load begins is taken to be in it.
    await expect.poll(page.text).toBe("ready 0");
    await frames();
    renders = 0;
    const begin = performance.now();
    for (let i = 1; i <= 5_000; i++) {
      transport.last.receive("saved", { id: i, name: "x" });
      if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    await expect.poll(page.text).toBe("ready 5000");
    expect(renders).toBeLessThanOrEqual(Math.ceil(((performance.now() - begin) / 1_000) * 70) + 1);
  });
});

class Memory implements PersistStorage {
  readonly kept = new Map<string, string>();
  getItem = (key: string) => this.kept.get(key) ?? null;
  setItem = (key: string, value: string) => void this.kept.set(key, value);
  removeItem = (key: string) => void this.kept.delete(key);
}

describe("persist", () => {
  noConsoleErrors();

  const NAME = "channelgate:people";
  const filled = (user: string | null, at = Date.now()) => {
    const storage = new Memory();
    storage.setItem(NAME, JSON.stringify({ user, at, items: named("Old") }));
    return storage;
  };

  it("shows the stored items as cached, and replaces them by the first load", async () => {
    const storage = filled("7");
    const { call, page } = await start({ persist: { key: "people", storage } }, 7);
    await expect.poll(page.text).toBe("Old|cached|live");
    call(0).resolve(named("Ann Bob"));
    await expect.poll(page.text).toBe("Ann Bob|ready|live");
    await expect.poll(() => storage.kept.get(NAME)).toContain("Ann");
  });

  it("applies events to cached items, and again to the load", async () => {
    const { call, page, client } = await start({ persist: { key: "people", storage: filled("7") } }, 7);
    await expect.poll(page.text).toBe("Old|cached|live");
    client.receive("saved", { id: 1, name: "New" });
    await expect.poll(page.text).toBe("New|cached|live");
    call(0).resolve(named("Ann Bob"));
    await expect.poll(page.text).toBe("New Bob|ready|live");
  });

  it("keeps cached items while a load fails", async () => {
    const { call, page } = await start({ persist: { key: "people", storage: filled("7") } }, 7);
    await expect.poll(page.text).toBe("Old|cached|live");
    call(0).reject(new Error("offline"));
    await expect.poll(page.text).toBe("Old|cached|live|offline");
  });

  it("stores what is shown at once when the component is gone", async () => {
    const storage = new Memory();
    const { call, page } = await start({ persist: { key: "people", storage } }, 7);
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    page.unmount();
    await expect.poll(() => storage.kept.get(NAME)).toContain("Ann");
  });

  it.each([
    ["too old", filled("7", Date.now() - 5_000), 7],
    ["another user's", filled("8"), 7],
    ["of a user, and there is no login now", filled("8"), null],
  ])("removes a list that is %s, and does not show it", async (_, storage, user) => {
    const { page } = await start({ persist: { key: "people", storage, maxAge: 1_000 } }, user);
    await frames();
    expect(page.text()).toBe("|loading|live");
    expect(storage.kept.size).toBe(0);
  });

  it("neither shows nor stores anything without a known user", async () => {
    const storage = filled("7");
    const { call, page } = await start({ persist: { key: "people", storage } });
    await frames();
    expect(page.text()).toBe("|loading|live");
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    page.unmount();
    expect(storage.kept.get(NAME)).toContain("Old");
  });

  it("is that of the provider whose name it has", async () => {
    const storage = filled("7");
    const { load } = deferred();
    const page = mount(
      <ChannelgateProvider name="outer" client={createTestClient()} user={7}>
        <ChannelgateProvider name="inner" client={createTestClient()} user={8}>
          <People options={{ load, of: "outer", persist: { key: "people", storage } }} />
        </ChannelgateProvider>
      </ChannelgateProvider>,
    );
    await expect.poll(page.text).toBe("Old|cached|live");
  });

  it("is cleared at unauthorized", async () => {
    const storage = filled("7");
    const { page, client } = await start({ persist: { key: "people", storage } }, 7);
    await expect.poll(page.text).toBe("Old|cached|live");
    client.drop(4403);
    await expect.poll(page.text).toBe("|loading|live");
    expect(storage.kept.size).toBe(0);
  });

  it("is cleared when the user changes, and nothing of the former user is shown", async () => {
    const storage = new Memory();
    const { call, calls, page, tree } = await start({ persist: { key: "people", storage } }, 7);
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
    page.render(tree({}, 8));
    await expect.poll(page.text).toMatch(/^\|loading/);
    expect(storage.kept.size).toBe(0);
    await expect.poll(() => calls.length).toBeGreaterThan(1);
  });

  it("a storage that throws changes nothing", async () => {
    const fail = () => {
      throw new Error("denied");
    };
    const { call, page } = await start({ persist: { key: "people", storage: { getItem: fail, setItem: fail, removeItem: () => Promise.reject(new Error()) } } }, 7);
    call(0).resolve(named("Ann"));
    await expect.poll(page.text).toBe("Ann|ready|live");
  });
});
