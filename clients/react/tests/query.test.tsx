// useInvalidate, over what is used of TanStack's QueryClient and of SWR's mutate.

import { ChannelgateProvider } from "@channelgate/react";
import { useInvalidate, type MutateLike, type QueryClientLike, type Targets } from "@channelgate/react/query";
import { createClient } from "@channelgate/client";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { mount, noConsoleErrors, scripted } from "./support.js";

noConsoleErrors();

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0);
});

interface Order {
  workOrderId: number;
}

const targets: Targets = {
  "client_*": ["clients"],
  "work_order_updated": (data: Order) => ["work-order", data.workOrderId],
  "*_deleted": { key: (data: Order) => ["detail", data.workOrderId], all: "detail" },
  "note": "notes",
  "silent": () => null,
};

async function show(cache: QueryClientLike | MutateLike, wanted: Targets = targets) {
  const transport = scripted();
  const client = createClient({ url: "/ws/", transport });
  const Invalidate = () => {
    useInvalidate(cache, wanted);
    return null;
  };
  const page = mount(
    <ChannelgateProvider client={client}>
      <Invalidate />
    </ChannelgateProvider>,
  );
  await expect.poll(() => client.snapshot().status).toBe("open");
  return { transport, client, page };
}

function queries() {
  const keys: (readonly unknown[])[] = [];
  const invalidateQueries = vi.fn(({ queryKey }: { queryKey: readonly unknown[]; refetchType: "active" }) => {
    keys.push(queryKey);
    return Promise.resolve();
  });
  return { keys, invalidateQueries };
}

describe("with TanStack Query", () => {
  it("puts the events of 100 ms together, and loads active queries", async () => {
    const cache = queries();
    const { transport } = await show(cache);
    const begin = performance.now();
    for (let i = 0; i < 50; i++) transport.last.receive(i % 2 ? "client_created" : "client_updated", { id: i });
    transport.last.receive("work_order_updated", { workOrderId: 7 });
    transport.last.receive("work_order_updated", { workOrderId: 7 });
    transport.last.receive("work_order_updated", { workOrderId: 8 });
    for (const other of ["other", "silent", "clients", "xclient_a"]) transport.last.receive(other, {});
    expect(cache.keys).toEqual([]);
    await expect.poll(() => cache.keys).toEqual([["clients"], ["work-order", 7], ["work-order", 8]]);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(99);
    expect(cache.invalidateQueries).toHaveBeenCalledWith({ queryKey: ["clients"], refetchType: "active" });
  });

  it("takes every name that matches, and texts as keys", async () => {
    const cache = queries();
    const { transport } = await show(cache);
    transport.last.receive("client_deleted", { workOrderId: 3 });
    transport.last.receive("note", null);
    await expect.poll(() => cache.keys).toEqual([["clients"], ["detail", 3], ["notes"]]);
  });

  it("invalidates everything mapped after a miss, and is recovering until it is loaded", async () => {
    const cache = queries();
    let load: () => void = () => undefined;
    cache.invalidateQueries.mockImplementationOnce(({ queryKey }) => {
      cache.keys.push(queryKey);
      return new Promise<void>((resolve) => (load = resolve));
    });
    const { client, transport } = await show(cache, { "client_*": ["clients"], "*_deleted": { key: () => null, all: "detail" } });
    transport.last.receive("gap", { reason: "reconnected", groups: null });
    await expect.poll(() => cache.keys).toEqual([["clients"], ["detail"]]);
    expect(client.snapshot().recovery).toBe("recovering");
    load();
    await expect.poll(() => client.snapshot().recovery).toBe("live");
  });

  it("invalidates all queries after a miss if a function has no `all`", async () => {
    const cache = queries();
    const { transport } = await show(cache);
    transport.last.receive("gap", { reason: "reconnected", groups: null });
    await expect.poll(() => cache.keys).toEqual([[]]);
  });

  it("invalidates at once what waits when the component is gone", async () => {
    const cache = queries();
    const { transport, page } = await show(cache);
    transport.last.receive("note", null);
    page.unmount();
    expect(cache.keys).toEqual([["notes"]]);
  });
});

describe("with SWR", () => {
  const cached = ["clients", ["clients", { page: 2 }], ["work-order", 7], ["work-order", 8], "notes", "other"];
  function mutate() {
    const loaded: unknown[] = [];
    return { loaded, mutate: ((matches) => void loaded.push(...cached.filter(matches))) as MutateLike };
  }

  it("mutates the keys that begin so", async () => {
    const cache = mutate();
    const { transport } = await show(cache.mutate);
    transport.last.receive("client_updated", {});
    transport.last.receive("work_order_updated", { workOrderId: 7 });
    transport.last.receive("note", {});
    await expect.poll(() => cache.loaded).toEqual(["clients", ["clients", { page: 2 }], ["work-order", 7], "notes"]);
  });

  it("mutates all keys after a miss if a function has no `all`", async () => {
    const cache = mutate();
    const { transport } = await show(cache.mutate);
    transport.last.receive("gap", { reason: "reconnected", groups: null });
    await expect.poll(() => cache.loaded).toEqual(cached);
  });
});
