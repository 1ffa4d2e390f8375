"use client";
// The provider of the repair shop, and the hook with rooms, messages and people.

import type { Client, Token } from "@channelgate/client";
import { rooms, socketIo } from "@channelgate/client/socketio";
import { createContext, useContext, useMemo, type ReactNode } from "react";

import { useScope, type Scope } from "../context.js";
import { usePresence } from "../hooks/presence.js";
import { useStatus } from "../hooks/status.js";
import { useHeld } from "../preset/held.js";
import { isOpen, retry } from "../preset/rules.js";
import { socketOf, type Socket } from "../preset/socket.js";
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
  labels?: object;
}

const NAME = "repair-shop";
const WORDS = { provider: "WebSocketProvider", from: "@channelgate/react/repair-shop" };
const OnlineContext = createContext<readonly UserOnline[]>([]);

export function WebSocketProvider({ children, url = "/", token, storageKey = "token", labels }: WebSocketProviderProps): ReactNode {
  // Read in each render, too: a login in this tab sends no event of its own.
  const now = token ?? stored(storageKey);
  return (
    <ChannelgateProvider
      name={NAME}
      url={url}
      labels={labels}
      transport={socketIo()}
      dialect={rooms("join_room", "leave_room")}
      token={token ?? (() => stored(storageKey))}
      user={typeof now === "function" ? undefined : userOf(now)}
    >
      <People>{children}</People>
    </ChannelgateProvider>
  );
}

/** Collects who is online from the beginning: a component that is mounted later needs it, too. */
function People({ children }: { children: ReactNode }): ReactNode {
  const { users } = usePresence({ of: NAME });
  const online = useMemo(() => users.map(({ data }) => data as unknown as UserOnline), [users]);
  return <OnlineContext.Provider value={online}>{children}</OnlineContext.Provider>;
}

/** What the repair shop's provider hands down. */
export const useShop = (hook: string): Scope => useScope(hook, NAME, WORDS);

/** Its client, for hooks and components. */
export const useShopClient = (hook: string): Client<RepairShopEvents> => useShop(hook).client as unknown as Client<RepairShopEvents>;

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
  const connectedUsers = useContext(OnlineContext);
  const { hold, end } = useHeld();
  const isConnected = useStatus(isOpen, client);
  const stable = useMemo(() => {
    const now = (event: string, data: object) => void client.send(event, data, { volatile: true });
    const socket = socketOf(client);
    return {
      joinRoom: (name: string) => void hold(name, () => client.want("room", name)),
      leaveRoom: end as (name: string) => void,
      emit: socket.emit,
      socket,
      connectSocket: () => retry(client),
      disconnectSocket: () => client.disconnect(),
      sendTypingStart: (roomName: string, message = "") => now("typing_start", { roomName, message }),
      sendTypingStop: (roomName: string) => now("typing_stop", { roomName }),
      sendUserPresence: (status: string, workOrderId: string | number) => now("user_presence", { status, workOrderId }),
      on: socket.on,
      off: socket.off,
    };
  }, [client, hold, end]);
  return useMemo(() => ({ ...stable, isConnected, connectedUsers }), [stable, isConnected, connectedUsers]);
}
