// What `@channelgate/client` exports.

export { createClient } from "./client.js";
export { typed } from "./dialect.js";
export { IDLE } from "./machine.js";
export { Disconnected, TimedOut } from "./errors.js";
export { Unauthorized, wsToken } from "./token.js";
export type * from "./types.js";
export { webSocket } from "./websocket.js";
export type { WebSocketLike, WebSocketOptions } from "./websocket.js";
