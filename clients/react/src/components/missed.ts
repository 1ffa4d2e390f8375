// The banner is beside the status: both are a few lines over the same snapshot.

export { MissedBanner, type MissedBannerProps } from "./status.js";
