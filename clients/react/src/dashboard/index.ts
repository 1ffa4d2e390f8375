// "@channelgate/react/dashboard": live attendance for a manager's dashboard.

export type * from "./events.js";
export { useMissed } from "../hooks/missed.js";
export { useRealTimeAttendance, type RealTimeAttendanceState } from "./attendance.js";
export { RealTimeAttendance, RealTimeNotification, WebSocketStatus, type RealTimeAttendanceProps, type RealTimeNotificationProps } from "./components.js";
export { useWebSocket, WebSocketProvider, type ConnectionStatus, type DashboardSocket, type WebSocketProviderProps } from "./context.js";
