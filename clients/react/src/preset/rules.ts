// What presets have in common: selectors of the state, and the attempts that two of the documents describe.

import type { Options } from "@channelgate/client";

import type { AnyClient } from "../context.js";
import type { Status } from "../hooks/status.js";

export const isOpen = ({ isConnected }: Status): boolean => isConnected;

/** Tries at once, unless it is connected. */
export const retry = (client: AnyClient): void => {
  if (client.snapshot().status !== "open") client.reconnect();
};

/** Five attempts, each about a second after the last. Then it is `failed`, and tries again when there is reason to. */
export const FIVE: NonNullable<Options["backoff"]> = { attempts: 5, strategy: () => 500 + Math.random() * 1_000 };

/** Not what the node tells the client itself. */
export const isEvent = (event: string): boolean => event !== "hello" && event !== "gap";
