"use client";
// A work order that stays up to date.

import { useCallback, useEffect, useState, type Dispatch, type SetStateAction } from "react";

import { useRoom } from "../hooks/interest.js";
import { useMissed } from "../hooks/missed.js";
import { useStatus } from "../hooks/status.js";
import { isOpen } from "../preset/rules.js";
import { useShopClient, useShopEvent } from "./context.js";
import type { WorkOrder } from "./events.js";

/** Milliseconds for which `isUpdating` is true. */
const SHOWN = 2_000;

export interface RealTimeWorkOrderOptions<T> {
  /** Default: `initial.id`. */
  id?: string | number | null | undefined;
  /** Loads it anew after events may have been missed. Without it, that stays to be said by the page. */
  load?: ((signal: AbortSignal) => Promise<T>) | undefined;
}

export interface RealTimeWorkOrder<T> {
  workOrder: T | null;
  /** For two seconds after each update. */
  isUpdating: boolean;
  isConnected: boolean;
  setWorkOrder: Dispatch<SetStateAction<T | null>>;
  sendPresenceUpdate(status: string): void;
  sendTypingIndicator(isTyping: boolean): void;
}

/** `initial` with another content replaces what is shown: another work order, or one that was loaded anew. */
export function useRealTimeWorkOrder<T extends { id?: string | number } = WorkOrder>(
  initial: T | null = null,
  { id: given, load }: RealTimeWorkOrderOptions<T> = {},
): RealTimeWorkOrder<T> {
  const client = useShopClient("useRealTimeWorkOrder");
  const id = given ?? initial?.id ?? null;
  const room = id === null ? null : `work_order_${id}`;
  const [workOrder, setWorkOrder] = useState(initial);
  /** Updates since nothing was shown as one. */
  const [updates, setUpdates] = useState(0);

  const content = JSON.stringify([id, initial]);
  const [adopted, setAdopted] = useState(content);
  if (content !== adopted) {
    setAdopted(content);
    setWorkOrder(initial);
  }

  useRoom(room, client);
  const onUpdate = (event: { workOrderId: number; workOrder: WorkOrder }) => {
    if (`${event.workOrderId}` !== `${id}`) return;
    setWorkOrder((before) => ({ ...before, ...event.workOrder }) as unknown as T);
    setUpdates((n) => n + 1);
  };
  useShopEvent("work_order_updated", onUpdate, client);
  // A technician gets it without the room, and after the update itself where both come.
  useShopEvent("work_order_assignment_update", onUpdate, client);
  useMissed(async (_, signal) => {
    if (!load) throw new Error("useRealTimeWorkOrder has no load");
    setWorkOrder(await load(signal));
  }, client);

  useEffect(() => {
    if (!updates) return undefined;
    const timer = setTimeout(() => setUpdates(0), SHOWN);
    return () => clearTimeout(timer);
  }, [updates]);

  return {
    workOrder,
    isUpdating: !!updates,
    isConnected: useStatus(isOpen, client),
    setWorkOrder,
    sendPresenceUpdate: useCallback((status) => void client.send("user_presence", { status, workOrderId: id }, { volatile: true }), [client, id]),
    sendTypingIndicator: useCallback(
      (isTyping) => void client.send(isTyping ? "typing_start" : "typing_stop", { roomName: room, ...(isTyping && { message: "" }) }, { volatile: true }),
      [client, room],
    ),
  };
}
