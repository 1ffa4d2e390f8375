// Which node serves the page that is shown, or what its connection does instead.

import { useStatus, type Status } from "@channelgate/react";
import { useEffect, useState, type JSX } from "react";

import { useStream } from "../stream/provider";
import { useClients, systemOf, type SystemId } from "../systems";
import { NodeGlyph } from "../ui/icons";
import { useStore } from "../ui/store";

const WORDS: Record<Exclude<Status["status"], "open">, string> = {
  idle: "not connected",
  connecting: "connecting",
  reconnecting: "reconnecting",
  offline: "offline",
  unauthorized: "logged out",
  failed: "not reachable",
  closed: "closed",
};

export function ServedBy({ page }: { page: SystemId }): JSX.Element {
  const { status, retryAt } = useStatus(undefined, useClients()[page]);
  const stream = useStream();
  const nodes = useStore(stream.nodes);
  const node = useStore(stream.serving)[page];
  const isOpen = status === "open";
  const index = nodes.findIndex(({ name }) => name === node);
  return (
    <p className={`served ${isOpen ? "is-open" : "is-away"}`} data-testid="served-by" data-node={isOpen ? (node ?? "") : ""} data-status={status}>
      <span className="served-by">{isOpen ? `${systemOf(page).title} is served by` : systemOf(page).title}</span>
      {/* Another key: it turns over when another node takes the page. */}
      <span key={isOpen ? (node ?? "") : "away"} className="served-node">
        {isOpen ? (
          <>
            {index >= 0 && <NodeGlyph index={index} size={13} />}
            {node ?? "a node"}
          </>
        ) : (
          <>
            <span className="served-away" />
            {WORDS[status]}
            {retryAt !== null && <Countdown to={retryAt} />}
          </>
        )}
      </span>
    </p>
  );
}

/** Seconds to the next attempt. */
function Countdown({ to }: { to: number }): JSX.Element {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 100);
    return () => clearInterval(timer);
  }, []);
  return <span className="muted">{` in ${Math.max(0, (to - now) / 1_000).toFixed(1)} s`}</span>;
}
