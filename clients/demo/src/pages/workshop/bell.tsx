// The number of unread notifications, and their list in the drawer.

import { useEvent } from "@channelgate/react";
import { NotificationList } from "@channelgate/react/components";
import { RealTimeNotificationBadge, type RepairShopEvents } from "@channelgate/react/repair-shop";
import { useCallback, useEffect, useState, type JSX } from "react";

import { userIdOf, type Person } from "../../session";
import { Drawer } from "../../ui/drawer";
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
  const [notes, setNotes] = useState<readonly Note[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  /** How often the list has changed at the server. */
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((n) => n + 1);
  useEvent<RepairShopEvents, "notification_count_updated">("notification_count_updated", again, "repair-shop");
  useEvent<RepairShopEvents, "notification_received">("notification_received", again, "repair-shop");
  useEffect(() => {
    const wanted = new AbortController();
    const { signal } = wanted;
    loadNotes(person, userId, signal).then(
      (loaded) => !signal.aborted && setNotes(loaded),
      (thrown: Error) => !signal.aborted && setError(thrown.message),
    );
    return () => wanted.abort();
  }, [person, userId, turn]);
  return (
    <Drawer title="Notifications" onClose={onClose}>
      {error && <p role="alert">{error}</p>}
      {!error && !notes && <p className="muted">Loading</p>}
      {notes && (
        <NotificationList
          heading={`For ${person.name}`}
          items={notes.slice(0, SHOWN).map(({ id, title, message, read, created_at: at }) => ({ id, title, body: message, seen: read, at: at ? Date.parse(at) : undefined }))}
          onMarkAllRead={() => void markRead(person, notes).catch((thrown: Error) => setError(thrown.message))}
        />
      )}
    </Drawer>
  );
}
