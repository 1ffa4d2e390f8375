// "@channelgate/react/feed": the change feed of a visitor and staff analytics site.

export type * from "./events.js";
export { configure, feedClient, useClients, useEmployees, useFeed, useFeedEvent, useMissed, type Feed, type FeedEvent, type FeedListOptions, type FeedMessage } from "./feed.js";
export { openFeed, type OpenFeed } from "./open.js";
export { WebSocketStatus } from "./status.js";
export type { Settings } from "../preset/shared.js";
