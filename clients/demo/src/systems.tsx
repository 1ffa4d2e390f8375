// The five systems: one connection each, open on every page.

import { Unauthorized, type TokenContext } from "@channelgate/client";
import type { AnyClient } from "@channelgate/react";
import { useClient } from "@channelgate/react";
import { WebSocketProvider as AttendanceProvider } from "@channelgate/react/dashboard";
import { configure as configureFeed, feedClient } from "@channelgate/react/feed";
import { configure as configureParking, parkingClient } from "@channelgate/react/parking";
import { WebSocketProvider as WorkshopProvider } from "@channelgate/react/repair-shop";
import { configure as configureTracker, trackerClient } from "@channelgate/react/tracker";
import { createContext, useContext, useEffect, useLayoutEffect, useMemo, useState, useSyncExternalStore, type JSX, type ReactNode } from "react";

import { ParkingTopics } from "./parking-topics";
import { fetchAs, tokenOf, userIdOf, useSession, type Person } from "./session";

export type SystemId = "visitors" | "parking" | "manager" | "class" | "workshop";

export interface System {
  readonly id: SystemId;
  readonly title: string;
  /** Of `--hue-0` to `--hue-4`. */
  readonly hue: number;
  /** What the person sees there. */
  readonly text: string;
  readonly protocol: "WebSocket" | "Socket.IO";
}

export const SYSTEMS: readonly System[] = [
  { id: "visitors", title: "Visitors", hue: 0, text: "Who comes through the door", protocol: "WebSocket" },
  { id: "parking", title: "Parking", hue: 1, text: "Six lots, and what happens in them", protocol: "WebSocket" },
  { id: "manager", title: "Manager", hue: 2, text: "Who has checked in today", protocol: "WebSocket" },
  { id: "class", title: "Class", hue: 3, text: "A session, its student and its moderator", protocol: "Socket.IO" },
  { id: "workshop", title: "Workshop", hue: 4, text: "Work orders and the people at them", protocol: "Socket.IO" },
];

export const systemOf = (id: SystemId): System => SYSTEMS.find((system) => system.id === id)!;

export type Clients = Record<SystemId, AnyClient>;

const ClientsContext = createContext<Clients | null>(null);

/** The clients of all systems, for the shell. */
export function useClients(): Clients {
  const clients = useContext(ClientsContext);
  if (!clients) throw new Error("useClients must be used within Systems");
  return clients;
}

configureFeed({ url: "/ws/" });

/** Logs the page's connections out, and in as this person: the presets take a function for the login of before. */
function configureFor(person: Person): void {
  keepWsToken(null);
  configureTracker({ token: null });
  configureTracker({ token: tokenOf(person) });
  configureParking({ token: null });
  configureParking({ token: wsTokenOf(person) });
}

/** The last ws-token: from when to when it is valid, in milliseconds since 1970, and how many there were before it. */
export interface WsToken {
  readonly issued: number;
  readonly expires: number;
  readonly renewals: number;
}

let wsToken: WsToken | null = null;
const wsTokenListeners = new Set<() => void>();

function keepWsToken(next: WsToken | null): void {
  wsToken = next;
  wsTokenListeners.forEach((listener) => listener());
}

/** The person's last ws-token; null before the first one. */
export const useWsToken = (): WsToken | null =>
  useSyncExternalStore(
    (listener) => {
      wsTokenListeners.add(listener);
      return () => wsTokenListeners.delete(listener);
    },
    () => wsToken,
  );

/** A ws-token from Django, as the parking system has it; when it was issued is kept for the page to show. */
const wsTokenOf = (person: Person): (({ signal, why }: Pick<TokenContext, "signal" | "why">) => Promise<string>) => {
  const login = tokenOf(person);
  return async ({ signal, why }) => {
    // The login that it is asked for with may have ended, too.
    await login({ why });
    const response = await fetchAs(person, "/api/user/ws-token/", { signal, cache: "no-store" });
    if (!response.ok) throw new Error(`/api/user/ws-token/: ${response.status}`);
    const { ws_token, expires_in } = (await response.json()) as { ws_token: string; expires_in: number };
    const issued = Date.now();
    keepWsToken({ issued, expires: issued + expires_in * 1_000, renewals: wsToken ? wsToken.renewals + 1 : 0 });
    return ws_token;
  };
};

/**
 * The person for the workshop's provider, which cannot read it from a function for a token: the id that Django's events
 * have. Until it is known it is that of the person before.
 */
function useUser(person: Person): number | string | undefined {
  const [user, setUser] = useState<number | string>();
  useEffect(() => {
    let isWanted = true;
    const become = (next: number | string): void => {
      if (isWanted) setUser(next);
    };
    // A person who may not log in has no connection of somebody else, either.
    userIdOf(person).then(become, (error) => error instanceof Unauthorized && become(person.username));
    return () => {
      isWanted = false;
    };
  }, [person]);
  return user;
}

export function Systems({ children }: { children: ReactNode }): JSX.Element {
  const { person } = useSession();
  const token = useMemo(() => tokenOf(person), [person]);
  // Before the pages' effects, which would open connections without a login.
  useLayoutEffect(() => configureFor(person), [person]);
  useEffect(() => {
    const release = [feedClient(), parkingClient(), trackerClient()].map((client) => client.acquire());
    return () => release.forEach((one) => one());
  }, [person]);
  const user = useUser(person);
  return (
    <AttendanceProvider transport="websocket" token="">
      <WorkshopProvider {...(user !== undefined && { user })} token={token}>
        <Collected>{children}</Collected>
        {/* After the pages: the stream must see that it subscribes. */}
        <ParkingTopics />
      </WorkshopProvider>
    </AttendanceProvider>
  );
}

function Collected({ children }: { children: ReactNode }): JSX.Element {
  const manager = useClient("dashboard");
  const workshop = useClient("repair-shop");
  const clients = useMemo<Clients>(() => ({ visitors: feedClient(), parking: parkingClient(), class: trackerClient(), manager, workshop }), [manager, workshop]);
  return <ClientsContext.Provider value={clients}>{children}</ClientsContext.Provider>;
}
