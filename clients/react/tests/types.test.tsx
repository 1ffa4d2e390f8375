// What compiles and what does not: wrong names, wrong data, a provider without an address. Checked by `npm run types`.

import {
  ChannelgateProvider,
  useClient,
  useEvent,
  useEvents,
  useLiveList,
  useMissed,
  useRequest,
  useRoom,
  useSend,
  useStatus,
  type UseEvent,
  type UseEvents,
  type UseLiveList,
} from "@channelgate/react";
import { useInvalidate, type MutateLike, type QueryClientLike } from "@channelgate/react/query";
import { createClient, type Client, type Events, type Missed, type Snapshot } from "@channelgate/client";
import { createTestClient } from "@channelgate/client/testing";
import { expect, expectTypeOf, it } from "vitest";

interface Mine {
  note: { text: string };
  count: number;
}

const useMine: UseEvent<Mine> = useEvent;
const useMyEvents: UseEvents<Mine> = useEvents;
const useMyList: UseLiveList<Mine> = useLiveList;

export function Provider(): unknown {
  const mine = createClient<Mine>({ url: "/ws/" });
  return [
    <ChannelgateProvider key={1} url="/ws/" token={() => "t"} name="a" user={7} heartbeat={false} />,
    <ChannelgateProvider key={2} url={new URL("wss://example.org")} token={null} user={null} />,
    <ChannelgateProvider key={3} client={mine} />,
    <ChannelgateProvider key={4} client={createTestClient<Mine>()} name="test" />,
    // @ts-expect-error -- neither an address nor a client
    <ChannelgateProvider key={5} token="t" />,
    // @ts-expect-error -- both
    <ChannelgateProvider key={6} url="/ws/" client={mine} />,
    // @ts-expect-error -- the token belongs to the client that is given
    <ChannelgateProvider key={7} client={mine} token="t" />,
    // @ts-expect-error -- no option of this name
    <ChannelgateProvider key={8} url="/ws/" tokn="t" />,
  ];
}

export function Hooks({ queries, mutate }: { queries: QueryClientLike; mutate: MutateLike }): void {
  useMine("note", (note, { at }) => {
    expectTypeOf(note).toEqualTypeOf<{ text: string }>();
    expectTypeOf(at).toBeNumber();
  });
  useMine("*", (data) => expectTypeOf(data).toBeUnknown());
  // @ts-expect-error -- there is no event of this name
  useMine("nte", () => undefined);
  // @ts-expect-error -- the event has other data
  useMine("count", (count: string) => void count);
  useEvent("any", (data) => expectTypeOf(data).toBeUnknown());
  useEvent<Mine, "count">("count", (count) => expectTypeOf(count).toBeNumber());

  expectTypeOf(useMyEvents("count")[0]?.data).toEqualTypeOf<number | undefined>();
  // @ts-expect-error -- there is no event of this name
  useMyEvents("cont");

  expectTypeOf(useClient()).toEqualTypeOf<Client>();
  expectTypeOf(useClient<Mine>("name")).toEqualTypeOf<Client<Mine>>();
  expectTypeOf<Events>().toEqualTypeOf<Record<never, never>>();
  expectTypeOf(useStatus()).toExtend<Snapshot & { isConnected: boolean }>();
  expectTypeOf(useStatus(({ queued }) => queued)).toBeNumber();
  // @ts-expect-error -- there is no such property
  useStatus(({ stat }) => stat);

  const sent = useSend()("note", { text: "hi" }, { volatile: true });
  expectTypeOf(sent).toEqualTypeOf<"sent" | "queued" | "dropped">();
  const { run, data } = useRequest<{ ok: boolean }>("save");
  expectTypeOf(run).returns.resolves.toEqualTypeOf<{ ok: boolean }>();
  expectTypeOf(data).toEqualTypeOf<{ ok: boolean } | undefined>();
  expectTypeOf(useRoom(null).denied).toBeBoolean();
  // @ts-expect-error -- a room has a name
  useRoom();
  useMissed(async (missed, signal) => {
    expectTypeOf(missed).toEqualTypeOf<Missed>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    await Promise.resolve();
  });

  const list = useMyList({
    load: () => Promise.resolve([{ text: "a" }]),
    key: ({ text }) => text,
    events: { upsert: ["note"], remove: ["count"] },
    item: (note) => note,
    removed: (count) => count,
  });
  expectTypeOf(list.items).toEqualTypeOf<readonly { text: string }[]>();
  useMyList({
    load: () => Promise.resolve([{ text: "a" }]),
    key: ({ text }) => text,
    // @ts-expect-error -- there is no event of this name
    events: { upsert: ["nte"] },
  });
  // @ts-expect-error -- a list needs keys
  useLiveList({ load: () => Promise.resolve([1]), events: {} });

  useInvalidate<Mine>(queries, { "no*": ["notes"], "count": (count) => ["count", count.toFixed()] });
  useInvalidate(mutate, { anything: "key" });
  // @ts-expect-error -- there is no event of this name
  useInvalidate<Mine>(queries, { nte: ["notes"] });
  // @ts-expect-error -- not a cache
  useInvalidate({}, {});
}

it("is checked by the compiler", () => {
  expect([useMine, useMyEvents, useMyList]).toEqual([useEvent, useEvents, useLiveList]);
});
