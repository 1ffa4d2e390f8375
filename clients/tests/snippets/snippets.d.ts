// The types of the documents' snippets, which have none: what the tests mount and call.

declare module "*.jsx" {
  import type { FC } from "react";

  export const MyComponent: FC;
  export const Header: FC;
  export const WorkOrderDetail: FC;
  export const Snippet: FC;
  const SessionAttendance: FC<{ sessionId: string | number }>;
  export default SessionAttendance;
}

declare module "*/handling-events.js" {
  export const socket: { close(): void };
}

declare module "*/useSocket.js" {
  export const useSocket: () => {
    joinSession(id: string | number): void;
    leaveSession(id: string | number): void;
    onEvent(event: string, callback: (data: { userId: number }) => void): () => void;
  };
}
