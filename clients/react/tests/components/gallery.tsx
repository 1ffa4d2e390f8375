// Every component in every state, on one page: what axe checks, and what the pictures of the documents show.

import { ChannelgateProvider } from "@channelgate/react";
import { Badge, ConnectionStatus, Figures, MissedBanner, NotificationList, Toasts, type NotificationItem } from "@channelgate/react/components";
import { boardOf, type Toast } from "../../src/components/store.ts";
import { time, type Labels } from "../../src/labels.ts";
import { en } from "@channelgate/react/labels/en";
import type { Snapshot, Status } from "@channelgate/client";
import { useMemo, type ReactElement, type ReactNode } from "react";

import { fake, now } from "./fake.ts";

const MINUTE = 60_000;

export const states = (at: number): Record<string, Partial<Snapshot>> => {
  const all: Record<Status, Partial<Snapshot>> = {
    idle: { latency: null, node: null },
    connecting: { latency: null, node: null },
    open: {},
    reconnecting: { attempt: 2, retryAt: at + 4_900, queued: 3, drops: 2 },
    offline: { online: false },
    unauthorized: {},
    failed: { attempt: 5, retryAt: at + 60_000 },
    closed: {},
  };
  return Object.fromEntries(Object.entries(all).map(([status, some]) => [status, { status: status as Status, ...some }]));
};

const missed = (at: number) => ({ reason: "reconnected" as const, groups: null, since: at - 2 * MINUTE, until: at });

const toasts: readonly Omit<Toast, "id">[] = [
  { kind: "info", title: "John Doe", body: "Present, 09:02" },
  { kind: "success", title: "Attendance marked" },
  { kind: "warning", title: "Work order WO-1042", body: "Is due in 30 minutes" },
  { kind: "error", title: "Session is not active", body: "Ask your moderator to open it." },
];

const notifications = (at: number): readonly NotificationItem[] => [
  { id: 3, title: "New reservation created", type: "reservation", at: at - 2 * MINUTE, seen: false, data: { reservation_id: 123, status: "active", lot: "Abreeza" } },
  { id: 2, title: "Lot “SM Lanang” is almost full", body: "3 of 120 places are free.", type: "parking_lot", at: at - 24 * MINUTE, seen: false },
  { id: 1, title: "Reservation ended", type: "reservation", at: at - 91 * MINUTE, seen: true, data: { reservation_id: 118, status: "completed", lot: "Gaisano" } },
];

export const Frame = ({ name, children }: { name: string; children: ReactNode }): ReactElement => (
  <section className="frame" aria-label={name} data-frame={name}>
    <h2>{name}</h2>
    <div>{children}</div>
  </section>
);

export interface GalleryProps {
  labels?: Labels | undefined;
  unstyled?: boolean | undefined;
}

export function Gallery({ labels = en, unstyled }: GalleryProps): ReactElement {
  const at = useMemo(() => now(), []);
  const clients = useMemo(() => {
    const toasted = fake();
    boardOf(toasted).set({ toasts: toasts.map((toast, id) => ({ ...toast, id: `${id}`, left: Infinity })) });
    return {
      open: fake(),
      toasted,
      missed: fake({ recovery: "missed", missed: missed(at) }),
      recovering: fake({ recovery: "recovering", missed: missed(at) }),
      statuses: Object.entries(states(at)).map(([name, some]) => [name, fake(some)] as const),
    };
  }, [at]);
  return (
    <ChannelgateProvider client={clients.open} labels={labels}>
      <main className="gallery" lang={labels.locale} dir={labels.dir}>
        <h1>Components</h1>
        <div className="column">
          <Frame name="ConnectionStatus">
            <div className="grid">
              {clients.statuses.map(([name, client]) => (
                <ConnectionStatus key={name} of={client} unstyled={unstyled} />
              ))}
            </div>
          </Frame>
          <Frame name="Badge">
            <p className="row">
              <Badge count={0} unstyled={unstyled} />
              <Badge count={3} unstyled={unstyled} />
              <Badge count={42} unstyled={unstyled} />
              <Badge count={120} unstyled={unstyled} />
            </p>
          </Frame>
          <Frame name="Figures">
            <Figures
              heading={labels.attendance}
              figures={[
                { term: labels.present, value: 41, tone: "good" },
                { term: labels.late, value: 3, tone: "warn" },
                { term: labels.absent, value: 7, tone: "bad" },
                { term: labels.total, value: 1048 },
                { term: en.latency, value: null },
              ]}
              unstyled={unstyled}
            >
              {labels.lastUpdate(time(labels.locale, at, "medium"))}
            </Figures>
          </Frame>
          <Frame name="NotificationList, empty">
            <NotificationList items={[]} heading="Archive" unstyled={unstyled} />
          </Frame>
        </div>
        <div className="column">
          <Frame name="ConnectionStatus, showDetails">
            <ConnectionStatus showDetails unstyled={unstyled} />
            <ConnectionStatus showDetails of={clients.statuses[3]?.[1]} unstyled={unstyled} />
          </Frame>
          <Frame name="MissedBanner">
            <MissedBanner of={clients.missed} load={() => undefined} unstyled={unstyled} />
            <MissedBanner of={clients.recovering} unstyled={unstyled} />
          </Frame>
          <Frame name="NotificationList">
            <NotificationList items={notifications(at)} onMarkAllRead={() => undefined} unstyled={unstyled}>
              <ConnectionStatus unstyled={unstyled} />
            </NotificationList>
          </Frame>
          <Frame name="Toasts">
            <div className="screen">
              <Toasts of={clients.toasted} unstyled={unstyled} />
            </div>
          </Frame>
        </div>
      </main>
    </ChannelgateProvider>
  );
}
