// Who is at the shop, and what they do there.
//
// The node tells a role who of it comes and goes, and admins and managers who comes and goes at all. It does not say who
// was there before, so the page asks: it says `here` in the room of an order, and the others answer with what they do.

import { useEvent, usePresence, useStatus } from "@channelgate/react";
import { useWebSocket, type RepairShopEvents, type UserActivityUpdate } from "@channelgate/react/repair-shop";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

/** What a page says of its person in `user_presence`. */
export type Doing = "here" | "board" | "viewing" | "left";

export interface Colleague {
  readonly id: string;
  readonly name: string;
  /** The order that they look at. */
  readonly order: number | null;
}

const SHOP = "repair-shop";

/** The others who are at the shop, as far as this person is told. */
export function useColleagues(userId: number | null): readonly Colleague[] {
  // Collected since the provider began, and what people do since this page was opened.
  const { connectedUsers } = useWebSocket();
  const { users } = usePresence({ of: SHOP });
  const activity = useActivity();
  return useMemo(() => {
    const all = new Map<string, Colleague>();
    const at = new Map<string, string>();
    const set = (id: string, name: string | null, order: number | null, time: unknown) => {
      all.set(id, { id, name: name ?? `User ${id}`, order });
      at.set(id, `${time}`);
    };
    for (const { userId: id, userName, timestamp } of connectedUsers) set(`${id}`, userName, null, timestamp);
    for (const { id, name, status, data } of users) {
      if (status === "left") all.delete(id);
      else set(id, name, status === "viewing" ? Number(data["workOrderId"]) : null, data["timestamp"]);
    }
    // Of two events about somebody the later one counts.
    for (const { userId: id, userName, status, timestamp } of activity.values()) {
      if ((at.get(`${id}`) ?? "") > timestamp) continue;
      if (status === "online") set(`${id}`, userName, all.get(`${id}`)?.order ?? null, timestamp);
      else all.delete(`${id}`);
    }
    all.delete(`${userId}`);
    return [...all.values()];
  }, [connectedUsers, activity, users, userId]);
}

type Activity = ReadonlyMap<string, UserActivityUpdate>;

/** Who has come and gone, for admins and managers; the others get no such event. It begins anew after a miss. */
function useActivity(): Activity {
  const missed = useStatus((status) => status.missed, SHOP);
  const [known, setKnown] = useState<{ of: unknown; all: Activity }>({ of: missed, all: new Map() });
  if (known.of !== missed) setKnown({ of: missed, all: new Map() });
  useEvent<RepairShopEvents, "user_activity_update">(
    "user_activity_update",
    (update) => setKnown(({ of, all }) => ({ of, all: new Map(all).set(`${update.userId}`, update) })),
    SHOP,
  );
  return known.all;
}

/** Says what this person does: at first, to those who ask, when it changes, and when the page goes. */
export function useSayPresence(orders: readonly number[], viewing: number | null): void {
  const { sendUserPresence, isConnected } = useWebSocket();
  const board = orders[0] ?? null;
  const now = useRef<{ board: number | null; viewing: number | null }>({ board, viewing });
  useEffect(() => {
    now.current = { board, viewing };
  });
  const say = useCallback(
    (doing?: Doing) => {
      const { board: place, viewing: order } = now.current;
      const room = order ?? place;
      if (room !== null) sendUserPresence(doing ?? (order === null ? "board" : "viewing"), room);
    },
    [sendUserPresence],
  );

  const isReady = isConnected && board !== null;
  useEffect(() => {
    if (!isReady) return undefined;
    const leave = () => say("left");
    say("here");
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      leave();
    };
  }, [isReady, say]);
  useEffect(() => {
    if (isReady) say();
  }, [isReady, viewing, say]);
  useEvent<RepairShopEvents, "user_presence_update">("user_presence_update", ({ status }) => status === "here" && say(), SHOP);
}
