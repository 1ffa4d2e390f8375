// The moderator's phone: opens and closes the session, and shows what its own socket receives.
//
// It is a second client of the same page, and not a frame with the same page in it: the core is made for that, the state
// of both sockets is in one place, and the page is not loaded twice. The hooks take it as `of`.

import { createClient, type Client } from "@channelgate/client";
import { rooms, socketIo } from "@channelgate/client/socketio";
import { useEvent, useMissed, useRoom, type AnyClient } from "@channelgate/react";
import type { TrackerEvents } from "@channelgate/react/tracker";
import { useEffect, useState, type CSSProperties, type JSX } from "react";

import { forgetLogin, tokenOf } from "../../session";
import { comeBack } from "../../stream/provider";
import { clock } from "../../ui/time";
import { useAct } from "../act";
import { isOpen, MODERATOR, setStatus, textOf, type ClassSession } from "./data";
import { Phone } from "./phone";

/** As the tracker's preset makes its client, with the moderator's token. */
const moderatorClient: Client<TrackerEvents> = createClient<TrackerEvents>({
  url: "/",
  transport: socketIo(),
  dialect: rooms("joinSession", "leaveSession"),
  token: tokenOf(MODERATOR),
  // Who only passes by leaves while it is connecting; a browser complains about a socket that is closed then.
  linger: 2_000,
});
const client = moderatorClient as unknown as AnyClient;

interface Line {
  readonly key: number;
  readonly event: string;
  readonly text: string;
  readonly time: string;
}

/** Lines of the log. */
const SHOWN = 6;

let count = 0;

const HIDDEN: readonly string[] = ["hello", "gap", "pong", "denied"];

export function Moderator({ session, userId }: { session: ClassSession; userId: number | null }): JSX.Element {
  const [lines, setLines] = useState<readonly Line[]>([]);
  const { act, isBusy, error } = useAct();
  const add = (event: string, text: string, time: string) => setLines((before) => [{ key: ++count, event, text, time }, ...before].slice(0, SHOWN));
  useEffect(() => moderatorClient.acquire(), []);
  // After "Revoke me everywhere" as this person: the shell looks after the five systems, not after this client.
  useEffect(() => comeBack(client, () => forgetLogin(MODERATOR)), []);
  useRoom(`${session.id}`, client);
  useEvent(
    "*",
    (data, { event, at }) => {
      // The preset of the repair shop serves the same namespace; its events are not this page's.
      if (HIDDEN.includes(event) || !/^(attendance|session|user(Joined|Left)|error)/.test(event)) return;
      add(event, textOf(event, data), clock(at));
    },
    client,
  );

  useMissed(({ since, until }) => add("missed", "Events may be missing here", `${clock(since)} to ${clock(until)}`), client);

  const change = (status: "active" | "completed") => {
    if (isOpen(session) === (status === "active")) return;
    void act(async () => {
      await setStatus(session.id, status);
      // Django has it; this tells the room.
      moderatorClient.send("sessionUpdate", { sessionId: session.id, status });
    });
  };

  return (
    <Phone kind="moderator" person={MODERATOR} userId={userId} client={client}>
      <div className="phone-head">
        <h2>{session.title}</h2>
        <p className="class-state" data-open={isOpen(session)}>
          {isOpen(session) ? "Students may mark attendance" : "Marks are refused"}
        </p>
      </div>
      <div className="phone-switch" role="group" aria-label="The session" aria-busy={isBusy}>
        <button type="button" data-testid="open-session" aria-pressed={isOpen(session)} onClick={() => change("active")}>
          Open
        </button>
        <button type="button" data-testid="close-session" aria-pressed={!isOpen(session)} onClick={() => change("completed")}>
          Closed
        </button>
      </div>
      <p className="phone-answer" data-kind={error ? "refused" : "none"} role="alert">
        {error ?? "Changes it at Django, then tells the room."}
      </p>
      <h3 className="phone-title">What this socket received</h3>
      <ol className="phone-log">
        {lines.map(({ key, event, text, time }, row) => (
          <li key={key} data-event={event} style={{ "--row": row } as CSSProperties}>
            <code>{event}</code>
            <time>{time}</time>
            <span>{text}</span>
          </li>
        ))}
        {lines.length === 0 && <li className="phone-quiet">Nothing yet.</li>}
      </ol>
    </Phone>
  );
}
