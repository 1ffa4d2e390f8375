// Components: accessible, in the application's language, and without a style of their own unless styles.css is loaded.

export { Announcer, LiveRegions, type AnnouncerProps, type LiveRegionsProps } from "./announcer.js";
export { Badge, type BadgeProps } from "./badge.js";
export { Figures, type Figure, type FiguresProps } from "./figures.js";
export { NotificationList, type NotificationItem, type NotificationListProps } from "./list.js";
export { MissedBanner, MissedBannerView, type MissedBannerProps, type MissedBannerViewProps } from "./missed.js";
export { useLabels, type Part, type PartProps } from "./parts.js";
export { ConnectionStatus, ConnectionStatusView, type ConnectionStatusProps, type ConnectionStatusViewProps } from "./status.js";
export type { Toast, ToastKind, Utterance } from "./store.js";
export { Toasts, ToastRegion, useToasts, type Toaster, type ToastRegionProps, type ToastsProps } from "./toasts.js";
