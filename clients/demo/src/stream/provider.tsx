// Attaches the stream to the clients of all systems and to the control process, for all pages.

import type { AnyClient } from "@channelgate/react";
import { createContext, useContext, useEffect, useMemo, useState, type JSX, type ReactNode } from "react";

import { forgetLogin, useSession } from "../session";
import { SYSTEMS, useClients, type SystemId } from "../systems";
import type { Activity } from "./control";
import { followControl } from "./sent";
import { createStream, type Stream } from "./stream";
import { followWants, watch } from "./watch";

/** One page has one stream. */
const stream: Stream = createStream();

const TICK = 250;

export interface Control {
  readonly activity: Activity;
  /** It has not answered yet. What depends on it keeps its place, and is hidden. */
  readonly isPending: boolean;
  setActivity(activity: Activity): void;
}

const ControlContext = createContext<Control | null>(null);

export const useStream = (): Stream => stream;

/** null without a control process: nothing can be broken then. */
export const useControl = (): Control | null => useContext(ControlContext);

export function StreamProvider({ page, children }: { page: SystemId; children: ReactNode }): JSX.Element {
  const given = useClients();
  // In the render: components below want rooms and topics in their first effect.
  const clients = useMemo(() => {
    for (const { id } of SYSTEMS) followWants(id, given[id], stream);
    return given;
  }, [given]);
  const { person } = useSession();
  const control = useFollowedControl();

  useEffect(() => {
    const stops = SYSTEMS.map(({ id }) => watch(id, clients[id], stream));
    return () => stops.forEach((stop) => stop());
  }, [clients]);

  // Of another person's groups nothing is known yet.
  useEffect(() => () => stream.ledger.forget(), [person]);

  useEffect(() => {
    const stops = SYSTEMS.flatMap(({ id }) => (id === page ? [] : [clients[id].onMissed(nothingShown)]));
    return () => stops.forEach((stop) => stop());
  }, [clients, page]);

  useEffect(() => {
    const stops = SYSTEMS.map(({ id }) => comeBack(clients[id], () => forgetLogin(person)));
    return () => stops.forEach((stop) => stop());
  }, [clients, person]);

  useEffect(() => {
    const timer = setInterval(() => stream.tick(), TICK);
    return () => clearInterval(timer);
  }, []);

  return <ControlContext value={control}>{children}</ControlContext>;
}

/** Nothing is shown of a system whose page is not open: it loads all from Django when it is opened, and nothing now. */
const nothingShown = (): void => undefined;

/** In an application the person logs in again, or presses a button. Here the page does it, after this time. */
const PATIENCE = 1_200;
/** Logins in a row that did not help. */
const TRIES = 3;

/** After several failures in a row a client waits longer, up to a minute. That is too long for a demonstration. */
const LONG = 3_000;

/** Brings a client back that does not come by itself soon: its login has ended, or too many attempts in a row have failed. */
export function comeBack(client: AnyClient, forget: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let tries = 0;
  const look = () => {
    const { status, retryAt } = client.snapshot();
    if (status === "open") tries = 0;
    const isOut = status === "unauthorized" && tries < TRIES;
    const isSlow = status === "failed" || (status === "reconnecting" && (retryAt ?? 0) > Date.now() + LONG);
    if (timer !== undefined || !(isOut || isSlow)) return;
    if (isOut) tries += 1;
    timer = setTimeout(() => {
      timer = undefined;
      if (client.snapshot().status === "open") return;
      if (isOut) forget();
      client.reconnect(isOut ? "logged in anew" : "tried again");
    }, PATIENCE);
  };
  const stop = client.subscribe(look);
  look();
  return () => {
    stop();
    clearTimeout(timer);
  };
}

const USUAL: Activity = { paused: false, speed: 1 };

function useFollowedControl(): Control | null {
  const [activity, setActivity] = useState<Activity | null | undefined>(undefined);
  useEffect(
    // Without it the page shows what arrives.
    () => followControl({ sent: stream.sent, nodes: stream.setNodes, activity: setActivity, fact: ({ text, at }) => stream.note(text, at), restarted: stream.restarted }, () => setActivity(null)),
    [],
  );
  return useMemo(() => (activity === null ? null : { activity: activity ?? USUAL, isPending: activity === undefined, setActivity }), [activity]);
}
