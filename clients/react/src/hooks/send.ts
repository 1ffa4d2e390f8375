"use client";
// Sends messages, and requests with an answer.

import type { Client } from "@channelgate/client";
import { useCallback, useMemo, useState } from "react";

import { useClientOf, type Of } from "../context.js";

/** A stable function that sends a message, or keeps it until there is a connection. */
export function useSend(of?: Of): Client["send"] {
  const client = useClientOf("useSend", of);
  return useCallback((event, data, how) => client.send(event, data, how), [client]);
}

/** A request, and its last answer. */
export interface Request<R> {
  /** Sends it. Rejects like `client.request`. */
  readonly run: (data?: unknown, how?: { timeout?: number; signal?: AbortSignal }) => Promise<R>;
  readonly data: R | undefined;
  readonly error: Error | null;
  readonly isPending: boolean;
}

type Answer<R> = Omit<Request<R>, "run">;

const NONE = { data: undefined, error: null, isPending: false };

/** Requests that the server acknowledges (Socket.IO). The state is that of the latest run. */
export function useRequest<R = unknown>(event: string, of?: Of): Request<R> {
  const client = useClientOf("useRequest", of);
  const [answer, setAnswer] = useState<Answer<R> & { of?: unknown }>(NONE);
  const run = useMemo(() => {
    let turn = 0;
    return async (data?: unknown, how?: { timeout?: number; signal?: AbortSignal }) => {
      const mine = ++turn;
      const settle = (next: Partial<Answer<R>>) => {
        if (mine === turn) setAnswer((before) => ({ ...(before.of === client ? before : NONE), isPending: false, ...next, of: client }));
      };
      settle({ isPending: true, error: null });
      try {
        const received = await client.request<R>(event, data, how);
        settle({ data: received });
        return received;
      } catch (error) {
        settle({ error: error as Error });
        throw error;
      }
    };
  }, [client, event]);
  // Not what another user was answered.
  const { data, error, isPending } = answer.of === client ? answer : NONE;
  return { run, data, error, isPending };
}
