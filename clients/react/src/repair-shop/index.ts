// "@channelgate/react/repair-shop": work orders, notifications, and who is online.

export type * from "./events.js";
export type { Socket } from "@channelgate/client/socketio";
export { RealTimeNotificationBadge, type RealTimeNotificationBadgeProps } from "./badge.js";
export { RealTimeToasts, WebSocketStatus, type RealTimeToastsProps } from "./components.js";
export { useWebSocket, WebSocketProvider, type ShopSocket, type WebSocketProviderProps } from "./context.js";
export { useRealTimeWorkOrder, type RealTimeWorkOrder, type RealTimeWorkOrderOptions } from "./work-order.js";
