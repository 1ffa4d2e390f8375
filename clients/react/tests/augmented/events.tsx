// Events that an application has declared: names and data are checked without a type argument. A program of its own,
// since a declaration counts everywhere. It is only compiled.

import { useEvent, useEvents, useLiveList } from "@channelgate/react";
import { useInvalidate, type QueryClientLike } from "@channelgate/react/query";
import { expectTypeOf } from "vitest";

interface Order {
  id: number;
  status: string;
}

declare module "@channelgate/client" {
  interface Events {
    "order.saved": Order;
    "order.deleted": { id: number };
  }
}

export function Orders({ queries }: { queries: QueryClientLike }): number {
  useEvent("order.saved", (order) => expectTypeOf(order).toEqualTypeOf<Order>());
  useEvent("*", (data) => expectTypeOf(data).toBeUnknown());
  // @ts-expect-error -- there is no event of this name
  useEvent("order.savd", () => undefined);
  // @ts-expect-error -- the event has other data
  useEvent("order.saved", (order: { price: number }) => void order.price);
  const deleted = useEvents("order.deleted", { limit: 5 });
  expectTypeOf(deleted[0]?.data).toEqualTypeOf<{ id: number } | undefined>();
  const { items } = useLiveList({
    load: () => Promise.resolve<Order[]>([]),
    key: (order) => order.id,
    events: { upsert: ["order.saved"], remove: ["order.deleted"] },
    item: (order) => order,
    removed: ({ id }) => id,
    sort: (a, b) => a.id - b.id,
  });
  expectTypeOf(items).toEqualTypeOf<readonly Order[]>();
  useLiveList({
    load: () => Promise.resolve<Order[]>([]),
    key: (order) => order.id,
    // @ts-expect-error -- there is no event of this name
    events: { upsert: ["order.savd"] },
  });
  useInvalidate(queries, { "order.*": ["orders"], "order.deleted": ({ id }) => ["order", id] });
  // @ts-expect-error -- there is no event of this name
  useInvalidate(queries, { "order.savd": ["orders"] });
  return items.length;
}
