// "@channelgate/react/parking": notifications of a smart parking system.

export { wsToken } from "@channelgate/client";
export type * from "./events.js";
export type { Settings } from "../preset/shared.js";
export { NotificationCenter, WebSocketStatus, type NotificationCenterProps } from "./components.js";
export { configure, parkingClient, useMissed, useNotifications, useWebSocket, type Notifications, type ParkingNotification, type WebSocketMessage } from "./notifications.js";
