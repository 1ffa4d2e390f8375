// Components: accessible, in the application's language, and without a style of their own unless styles.css is loaded.

export { Badge, type BadgeProps } from "./badge.js";
export { Figures, type Figure, type FiguresProps } from "./figures.js";
export { NotificationList, type NotificationItem, type NotificationListProps } from "./list.js";
export { Announcer, useLabels, type ConnectedProps, type Part, type PartProps } from "./parts.js";
export { ConnectionStatus, MissedBanner, type ConnectionStatusProps, type MissedBannerProps } from "./status.js";
export type { Toast, Toaster } from "./store.js";
export { Toasts, useToasts, type ToastsProps } from "./toasts.js";
