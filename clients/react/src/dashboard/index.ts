// "@channelgate/react/dashboard": live attendance for a manager's dashboard.

export type * from "./events.js";
export { RealTimeAttendance, RealTimeNotification, WebSocketStatus, type RealTimeAttendanceProps, type RealTimeNotificationProps } from "./components.js";
export { useRealTimeAttendance, useWebSocket, WebSocketProvider, type ConnectionStatus, type DashboardSocket, type RealTimeAttendanceState, type WebSocketProviderProps } from "./context.js";
