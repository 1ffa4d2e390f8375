// Components: accessible, in the application's language, and without a style of their own unless styles.css is loaded.

export { Announcer } from "./announcer.js";
export type { Toast } from "./board.js";
export { ConnectionStatus, MissedBanner, type ConnectionStatusProps, type MissedBannerProps } from "./connection.js";
export { Badge, Figures, NotificationList, type BadgeProps, type Figure, type FiguresProps, type NotificationItem, type NotificationListProps } from "./display.js";
export { useLabels, type ConnectedProps, type Part, type PartProps } from "./parts.js";
export { Toasts, useToasts, type Toaster } from "./toasts.js";
