// What `@channelgate/react` exports.

export {};
