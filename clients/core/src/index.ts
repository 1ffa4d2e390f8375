// What `@channelgate/client` exports.

export type * from "./types.js";
