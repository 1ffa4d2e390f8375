"use client";
// Joins rooms and subscribes to topics.

import type { Client } from "@channelgate/client";
import { useEffect, useMemo } from "react";

import { useClientOf, type Of } from "../context.js";
import { createFold, together } from "../frame.js";
import { useShown } from "./shown.js";

/** What became of a wish to join. */
export interface Interest {
  /** The connection is open, the server has been asked, and has not refused. */
  readonly joined: boolean;
  /** The server has refused: an event `denied` with `{room}` or `{topic}`. */
  readonly denied: boolean;
}

const APART: Interest = { joined: false, denied: false };
const JOINED: Interest = { joined: true, denied: false };
const DENIED: Interest = { joined: false, denied: true };

/** Is in the room while the component is mounted, also after reconnects; null: in none. */
export function useRoom(name: string | null, of?: Of): Interest {
  return useInterest("useRoom", "room", name, of);
}

/** Is subscribed to the topic while the component is mounted, also after reconnects; null: to none. */
export function useTopic(name: string | null, of?: Of): Interest {
  return useInterest("useTopic", "topic", name, of);
}

function useInterest(hook: string, kind: "room" | "topic", name: string | null, of?: Of): Interest {
  const client = useClientOf(hook, of);
  useEffect(() => (name === null ? undefined : client.want(kind, name)), [client, kind, name]);
  const source = useMemo(() => follow(client, kind, name), [client, kind, name]);
  return useShown(source);
}

function follow(client: Client, kind: "room" | "topic", name: string | null) {
  return createFold(APART, (update) => {
    if (name === null) return () => undefined;
    const onStatus = () => update((now) => (client.snapshot().status !== "open" ? APART : now === APART ? JOINED : now));
    onStatus();
    return together(
      client.subscribe(onStatus),
      client.on("denied", (data) => {
        if ((data as Record<string, unknown> | null)?.[kind] === name) update(() => DENIED);
      }),
    );
  });
}
