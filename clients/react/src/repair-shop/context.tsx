"use client";
// The provider of the repair shop, and the hook with rooms, messages and people.

import type { Client, Token } from "@channelgate/client";
import { rooms, socketIo, socketOf, type Socket } from "@channelgate/client/socketio";
import { createContext, useContext, useMemo, type ReactNode } from "react";

import { useClientOf } from "../context.js";
import { useEvent, type UseEvent } from "../hooks/events.js";
import { usePresence, type PresentUser } from "../hooks/presence.js";
import { useStatus } from "../hooks/status.js";
import { useHeld } from "../preset/held.js";
import { isOpen, retry } from "../preset/rules.js";
import { stored } from "../preset/stored.js";
import { userOf } from "../preset/user-of.js";
import { ChannelgateProvider } from "../provider.js";
import type { RepairShopEvents, UserOnline } from "./events.js";

export interface WebSocketProviderProps {
  children?: ReactNode;
  /** Default: this page's origin. */
  url?: string | URL;
  /** Default: what localStorage has under `storageKey`. */
  token?: Token;
  storageKey?: string;
  /** The id of who is logged in, as in Django's events, where `token` is a function. Otherwise the token says it. */
  user?: string | number | null;
  labels?: object;
}

export const NAME = "repair-shop";
const OnlineContext = createContext<readonly PresentUser[]>([]);

export function WebSocketProvider({ children, url = "/", token, storageKey = "token", ...props }: WebSocketProviderProps): ReactNode {
  return (
    <ChannelgateProvider
      name={NAME}
      url={url}
      transport={socketIo()}
      dialect={rooms("join_room", "leave_room")}
      token={token ?? (() => stored(storageKey))}
      // Read in each render, too: a login in this tab sends no event of its own.
      user={userOf(token ?? stored(storageKey))}
      {...props}
    >
      <People>{children}</People>
    </ChannelgateProvider>
  );
}

/** Collects who is online from the beginning: a component that is mounted later needs it, too. */
function People({ children }: { children: ReactNode }): ReactNode {
  const { users } = usePresence({ of: NAME });
  return <OnlineContext.Provider value={users}>{children}</OnlineContext.Provider>;
}

/** The client of the repair shop's provider, for hooks and components. */
export const useShopClient = (hook: string): Client<RepairShopEvents> =>
  useClientOf<RepairShopEvents>(hook, NAME, { provider: "WebSocketProvider", from: "@channelgate/react/repair-shop" });

export const useShopEvent: UseEvent<RepairShopEvents> = useEvent;

export interface ShopSocket {
  isConnected: boolean;
  /** Who came online since the page was opened, or since events were missed. */
  connectedUsers: readonly UserOnline[];
  /** Is in the room until `leaveRoom`, or until the component ends, also after reconnects. */
  joinRoom(name: string): void;
  leaveRoom(name: string): void;
  /** Without a connection it waits, for up to 30 seconds. */
  emit(event: string, data?: unknown): void;
  socket: Socket;
  /** Connects after `disconnectSocket`, after a login or after failing. */
  connectSocket(): void;
  /** Disconnects the whole page. */
  disconnectSocket(): void;
  sendTypingStart(room: string, message?: string): void;
  sendTypingStop(room: string): void;
  sendUserPresence(status: string, workOrderId: string | number): void;
  /** Returns what ends it. */
  on<K extends string>(event: K, handler: (data: K extends keyof RepairShopEvents ? RepairShopEvents[K] : unknown) => void): () => void;
  off: Socket["off"];
}

export function useWebSocket(): ShopSocket {
  const client = useShopClient("useWebSocket");
  const users = useContext(OnlineContext);
  const { hold, end } = useHeld();
  const isConnected = useStatus(isOpen, client);
  const stable = useMemo(() => {
    const now = (event: string, data: object) => void client.send(event, data, { volatile: true });
    const socket = socketOf(client);
    return {
      joinRoom: (name: string) => void hold(name, () => client.want("room", name)),
      leaveRoom: end as (name: string) => void,
      socket,
      connectSocket: () => retry(client),
      disconnectSocket: () => client.disconnect(),
      sendTypingStart: (roomName: string, message = "") => now("typing_start", { roomName, message }),
      sendTypingStop: (roomName: string) => now("typing_stop", { roomName }),
      sendUserPresence: (status: string, workOrderId: string | number) => now("user_presence", { status, workOrderId }),
      on: socket.on,
      off: socket.off,
      emit: socket.emit,
    };
  }, [client, hold, end]);
  return useMemo(() => ({ ...stable, isConnected, connectedUsers: users.map(({ data }) => data as unknown as UserOnline) }), [stable, isConnected, users]);
}
