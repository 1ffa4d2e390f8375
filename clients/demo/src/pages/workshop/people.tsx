// Who is at the shop, and what they do there.
//
// The node tells a role who of it comes and goes, and admins and managers who comes and goes at all. It does not say who
// was there before, so the page asks: it says `here` in the room of an order, and the others answer with what they do.

import { useEvent, usePresence, useStatus } from "@channelgate/react";
import { useWebSocket, type RepairShopEvents } from "@channelgate/react/repair-shop";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { colleaguesOf, type Activity, type Colleague } from "./colleagues";

/** What a page says of its person in `user_presence`. */
export type Doing = "here" | "board" | "viewing" | "left";

const SHOP = "repair-shop";

/** The others who are at the shop, as far as the node lets this person know. */
export function useColleagues(userId: number | null): readonly Colleague[] {
  // Collected since the provider began, and what people do since this page was opened.
  const { connectedUsers } = useWebSocket();
  const { users } = usePresence({ of: SHOP });
  const activity = useActivity();
  return useMemo(() => colleaguesOf(connectedUsers, users, activity, userId), [connectedUsers, activity, users, userId]);
}

/** Who has come and gone, for admins and managers; the others get no such event. It begins anew with a miss. */
function useActivity(): Activity {
  const missed = useStatus((status) => status.missed, SHOP);
  const [known, setKnown] = useState<{ of: unknown; all: Activity }>({ of: missed, all: new Map() });
  if (known.of !== missed) setKnown({ of: missed, all: missed ? new Map() : known.all });
  useEvent<RepairShopEvents, "user_activity_update">(
    "user_activity_update",
    (update) => setKnown(({ of, all }) => ({ of, all: new Map(all).set(`${update.userId}`, update) })),
    SHOP,
  );
  return known.all;
}

/** Says what this person does: at first, to those who ask, when it changes, and when they go to another page. */
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
    say("here");
    // Where the window is closed the browser does not send it; then the connection's end says it, to technicians and managers.
    return () => say("left");
  }, [isReady, say]);
  useEffect(() => {
    if (isReady) say();
  }, [isReady, viewing, say]);
  useEvent<RepairShopEvents, "user_presence_update">("user_presence_update", ({ status }) => status === "here" && say(), SHOP);
}
