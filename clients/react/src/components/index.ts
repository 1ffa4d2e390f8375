// Components: accessible, in the application's language, and without a style of their own unless styles.css is loaded.

export { Announcer } from "./announcer.js";
export { Badge, type BadgeProps } from "./badge.js";
export { Figures, type Figure, type FiguresProps } from "./figures.js";
export { NotificationList, type NotificationItem, type NotificationListProps } from "./list.js";
export { MissedBanner, type MissedBannerProps } from "./missed.js";
export { useLabels, type ConnectedProps, type Part, type PartProps } from "./parts.js";
export { ConnectionStatus, type ConnectionStatusProps } from "./status.js";
export type { Toast } from "./store.js";
export { Toasts, useToasts, type Toaster, type ToastsProps } from "./toasts.js";
