// The part of `ws` that these tests use; it has no types of its own.

declare module "ws" {
  export class WebSocket {
    constructor(url: string);
    on(event: "message", listener: (data: { toString(): string }) => void): this;
    once(event: "open" | "error", listener: (error?: Error) => void): this;
    send(text: string): void;
    close(): void;
  }
}
