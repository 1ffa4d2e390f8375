"use client";
// The provider of the repair shop, and the hook with rooms, messages and people.

import type { Client, Token } from "@channelgate/client";
import { rooms, socketIo } from "@channelgate/client/socketio";
import { createContext, useContext, useMemo, type ReactNode } from "react";

import { useClientOf, type AnyClient } from "../context.js";
import { useLatest } from "../hooks/latest.js";
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
  /** A client instead, such as that of "@channelgate/client/testing". */
  client?: AnyClient;
}

interface Shop {
  /** The user that the token names at the moment; null if it is not known. */
  user(): string | null;
  connectedUsers: readonly UserOnline[];
}

const ShopContext = createContext<Shop>({ user: () => null, connectedUsers: [] });

export function WebSocketProvider({ children, url = "/", token, storageKey = "token", labels, client }: WebSocketProviderProps): ReactNode {
  const server = useMemo(() => ({ transport: socketIo(), dialect: rooms("join_room", "leave_room") }), []);
  const common = { name: "repair-shop", labels };
  const now = useLatest(token === undefined ? () => stored(storageKey) : () => (typeof token === "string" ? token : null));
  const inside = <People token={now}>{children}</People>;
  if (client) return <ChannelgateProvider {...common} client={client}>{inside}</ChannelgateProvider>;
  // Read in each render, too: a login in this tab sends no event of its own.
  const user = token === undefined ? { user: userOf(stored(storageKey)) } : {};
  return (
    <ChannelgateProvider {...common} {...server} {...user} url={url} token={token ?? (() => stored(storageKey))}>
      {inside}
    </ChannelgateProvider>
  );
}

/** Collects who is online from the beginning: a component that is mounted later needs it, too. */
function People({ token, children }: { token: () => () => string | null; children: ReactNode }): ReactNode {
  const { users } = usePresence({ of: "repair-shop" });
  const shop = useMemo<Shop>(() => ({ user: () => userOf(token()()) ?? null, connectedUsers: users.map(({ data }) => data as unknown as UserOnline) }), [token, users]);
  return <ShopContext.Provider value={shop}>{children}</ShopContext.Provider>;
}

export const useShop = (): Shop => useContext(ShopContext);

/** The client of the repair shop's provider, for hooks and components. */
export const useShopClient = (hook: string): Client<RepairShopEvents> =>
  useClientOf<RepairShopEvents>(hook, "repair-shop", { provider: "WebSocketProvider", from: "@channelgate/react/repair-shop" });

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
  const { connectedUsers } = useShop();
  const held = useHeld();
  const isConnected = useStatus(isOpen, client);
  const stable = useMemo(() => {
    const joinRoom = (name: string) => void held.hold(name, () => client.want("room", name));
    const leaveRoom = (name: string) => held.end(name);
    const now = (event: string, data: object) => void client.send(event, data, { volatile: true });
    const socket = socketOf(client);
    return {
      joinRoom,
      leaveRoom,
      emit: (event: string, data?: unknown) =>
        event === "join_room" ? joinRoom(String(data)) : event === "leave_room" ? leaveRoom(String(data)) : socket.emit(event, data),
      socket,
      connectSocket: () => retry(client),
      disconnectSocket: () => client.disconnect(),
      sendTypingStart: (roomName: string, message = "") => now("typing_start", { roomName, message }),
      sendTypingStop: (roomName: string) => now("typing_stop", { roomName }),
      sendUserPresence: (status: string, workOrderId: string | number) => now("user_presence", { status, workOrderId }),
      on: socket.on,
      off: socket.off,
    };
  }, [client, held]);
  return useMemo(() => ({ ...stable, isConnected, connectedUsers }), [stable, isConnected, connectedUsers]);
}
