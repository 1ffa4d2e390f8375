// What `@channelgate/react` exports.

export { ChannelgateProvider, type ChannelgateProviderProps, type ClientProps, type UrlProps } from "./provider.js";
export type { AnyClient, Of } from "./context.js";
export { useEvent, useEvents, type Kept, type UseEvent, type UseEvents } from "./hooks/events.js";
export { useRoom, useTopic, type Interest } from "./hooks/interest.js";
export { useMissed } from "./hooks/missed.js";
export { usePresence, type Presence, type PresenceOptions, type PresentUser } from "./hooks/presence.js";
export { useRequest, useSend, type Request } from "./hooks/send.js";
export { useClient, useQuality, useStatus, type Quality, type Status } from "./hooks/status.js";
export { useTyping, type Typing, type TypingOptions } from "./hooks/typing.js";
export { useLiveList, type LiveList, type LiveListOptions, type UseLiveList } from "./live-list.js";
export type { Key, ListState } from "./list.js";
export type { Persist, PersistStorage } from "./persist.js";
