// Types of the snippet beside it.

export const socket: { close(): void };
