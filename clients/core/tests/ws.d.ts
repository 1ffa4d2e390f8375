// What the tests use of `ws`, which comes without types.

declare module "ws" {
  import type { EventEmitter } from "node:events";
  import type { AddressInfo } from "node:net";

  export class WebSocketServer extends EventEmitter {
    constructor(options: { port: number; host: string });
    on(event: "connection", listener: (socket: ServerSocket) => void): this;
    address(): AddressInfo;
    close(): void;
  }

  export interface ServerSocket extends EventEmitter {
    send(text: string): void;
    close(code?: number, reason?: string): void;
  }

  /** For Node before 22, which has no global WebSocket. */
  const NodeWebSocket: typeof globalThis.WebSocket;
  export { NodeWebSocket as WebSocket };
}
