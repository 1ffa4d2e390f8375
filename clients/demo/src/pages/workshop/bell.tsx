// The number of unread notifications, and their list in the drawer.

import { useEvent, useLiveList } from "@channelgate/react";
import { NotificationList } from "@channelgate/react/components";
import { RealTimeNotificationBadge, type RepairShopEvents } from "@channelgate/react/repair-shop";
import { useCallback, type JSX } from "react";

import { userIdOf, type Person } from "../../session";
import { Drawer } from "../../ui/drawer";
import { Failed } from "../../ui/states";
import { useAct } from "../act";
import { loadNotes, markRead, type Note } from "./data";

/** Notifications that the drawer shows. */
const SHOWN = 20;

export function Bell({ person, onClick }: { person: Person; onClick: () => void }): JSX.Element {
  const loadCount = useCallback(async () => {
    const notes = await loadNotes(person, await userIdOf(person));
    return notes.filter(({ read }) => !read).length;
  }, [person]);
  return (
    <span className="bell" data-testid="badge">
      <RealTimeNotificationBadge loadCount={loadCount} onClick={onClick} />
    </span>
  );
}

export function Notes({ person, userId, onClose }: { person: Person; userId: number; onClose: () => void }): JSX.Element {
  const { items, status, error, reload } = useLiveList<Note, RepairShopEvents, "notification_received">({
    id: userId,
    of: "repair-shop",
    load: (signal) => loadNotes(person, userId, signal),
    key: ({ id }) => id,
    events: { upsert: ["notification_received"] },
    item: ({ notification }) => ({ ...notification, user: userId }),
    sort: (a, b) => b.id - a.id,
  });
  // Also when one was read, here or in another window.
  useEvent<RepairShopEvents, "notification_count_updated">("notification_count_updated", () => void reload().catch(() => undefined), "repair-shop");
  const { act, error: refused } = useAct();
  return (
    <Drawer title="Notifications" onClose={onClose}>
      {refused && <p role="alert">{refused}</p>}
      {status === "error" && <Failed what="The notifications" error={error} again={reload} />}
      {status === "loading" && <p className="muted">Loading</p>}
      {status === "ready" && (
        <NotificationList
          heading={`For ${person.name}`}
          items={items.slice(0, SHOWN).map(({ id, title, message, read, created_at: at }) => ({ id, title, body: message, seen: read, at: at ? Date.parse(at) : undefined }))}
          onMarkAllRead={() => void act(() => markRead(person, items))}
        />
      )}
    </Drawer>
  );
}
