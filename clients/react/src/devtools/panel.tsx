"use client";
// The panel of the devtools.

import type { Snapshot } from "@channelgate/client";
import { useMemo, useState, useSyncExternalStore, type CSSProperties, type ReactNode } from "react";

import { frame } from "../frame.js";
import type { Frame, Recorded } from "./record.js";

const BOX: CSSProperties = {
  position: "fixed",
  right: 12,
  bottom: 12,
  zIndex: 2147483000,
  font: "12px/1.5 ui-monospace, monospace",
  color: "#e6edf3",
  background: "#0d1117",
  border: "1px solid #30363d",
  borderRadius: 8,
  boxSizing: "border-box",
};
const PANEL: CSSProperties = { ...BOX, bottom: 52, width: "min(560px, calc(100vw - 24px))", maxHeight: "70vh", overflow: "auto", padding: 12 };
const BUTTON: CSSProperties = { font: "inherit", color: "inherit", background: "#21262d", border: "1px solid #30363d", borderRadius: 6, padding: "4px 10px", minHeight: 28, cursor: "pointer" };
const FIELD: CSSProperties = { ...BUTTON, cursor: "auto", boxSizing: "border-box", width: "100%" };
const TITLE: CSSProperties = { font: "inherit", fontWeight: 700, margin: "12px 0 4px" };
const LIST: CSSProperties = { listStyle: "none", margin: 0, padding: 0, overflowWrap: "anywhere" };
const COLOURS: Partial<Record<Snapshot["status"], string>> = { open: "#3fb950", failed: "#f85149", unauthorized: "#f85149", closed: "#8b949e", idle: "#8b949e" };

/** "14:03:07.123", as other tools of developers write it. */
const time = (at: number): string => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(11, 23);

export default function Panel({ clients, open }: { clients: readonly (readonly [string, Recorded])[]; open: boolean }): ReactNode {
  const [isOpen, setOpen] = useState(open);
  const [selected, setSelected] = useState(0);
  const current = clients[selected] ?? clients[0];
  if (!current) return null;
  return (
    <aside aria-label="Channelgate devtools" data-cg="devtools">
      <Toggle recorded={current[1]} isOpen={isOpen} onClick={() => setOpen(!isOpen)} />
      {isOpen && (
        <div style={PANEL}>
          {clients.length > 1 && (
            <select aria-label="Connection" style={FIELD} value={selected} onChange={(event) => setSelected(Number(event.target.value))}>
              {clients.map(([name], i) => (
                <option key={i} value={i}>
                  {name}
                </option>
              ))}
            </select>
          )}
          <Connection recorded={current[1]} />
        </div>
      )}
    </aside>
  );
}

function useRecorded(recorded: Recorded): Snapshot {
  const subscribe = useMemo(() => (listener: () => void) => recorded.subscribe(() => frame(listener)), [recorded]);
  useSyncExternalStore(subscribe, recorded.version, recorded.version);
  return recorded.client.snapshot();
}

function Toggle({ recorded, isOpen, onClick }: { recorded: Recorded; isOpen: boolean; onClick: () => void }): ReactNode {
  const { status } = useRecorded(recorded);
  return (
    <button type="button" aria-expanded={isOpen} style={{ ...BOX, padding: "4px 12px", minHeight: 32, cursor: "pointer" }} onClick={onClick}>
      <span aria-hidden style={{ color: COLOURS[status] ?? "#d29922" }}>
        ●{" "}
      </span>
      Channelgate: {status}
    </button>
  );
}

function Connection({ recorded }: { recorded: Recorded }): ReactNode {
  const now = useRecorded(recorded);
  const facts: [string, ReactNode][] = [
    ["status", `${now.status} since ${now.since ? time(now.since) : "the start"}`],
    ["recovery", now.missed ? `${now.recovery}: ${now.missed.reason} ${now.missed.detail ?? ""}` : now.recovery],
    ["reason", now.reason ? `${now.reason.kind} ${now.reason.code ?? ""} ${now.reason.text}` : "–"],
    ["node", `${now.node ?? "not said"}${now.id ? `, connection ${now.id}` : ""}`],
    ["latency", now.latency === null ? "not measured" : <Latency key="latency" now={now.latency} all={recorded.latencies} />],
    ["attempts, drops", `${now.attempt}, ${now.drops}`],
    ["queued", now.queued],
    ["network", now.online === null ? "not known" : now.online ? "online" : "offline"],
  ];
  return (
    <>
      <div style={{ display: "flex", gap: 8, flexWrap: "wrap" }}>
        <Act run={recorded.drop} title="Ends the connection, and connects again after 2 seconds">
          drop
        </Act>
        <Act run={recorded.gap} title="Runs what runs when events may have been missed">
          gap
        </Act>
        <Act run={recorded.expire} title="Asks for a fresh token, and connects with it">
          expire token
        </Act>
      </div>
      <dl style={{ display: "grid", gridTemplateColumns: "max-content 1fr", gap: "0 12px", margin: "8px 0 0" }}>
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt style={{ color: "#8b949e" }}>{name}</dt>
            <dd style={{ margin: 0, overflowWrap: "anywhere" }}>{value}</dd>
          </div>
        ))}
      </dl>
      <h2 style={TITLE}>Rooms and topics</h2>
      <ul style={LIST} data-cg="devtools-wanted">
        {[...recorded.wanted.values()].map(({ kind, name, users }) => (
          <li key={`${kind} ${name}`}>
            {kind} {name} × {users}: {now.status === "open" ? "asked for" : "waits for the connection"}
          </li>
        ))}
        {recorded.wanted.size === 0 && <li>none</li>}
      </ul>
      <h2 style={TITLE}>Transitions</h2>
      <ol style={LIST} data-cg="devtools-transitions">
        {recorded.transitions.slice(-20).map(({ at, status, recovery, text }, i) => (
          <li key={i}>
            {time(at)} {status} {recovery === "live" ? "" : recovery} <span style={{ color: "#8b949e" }}>{text}</span>
          </li>
        ))}
      </ol>
      <Frames frames={recorded.frames} />
    </>
  );
}

function Act({ run, title, children }: { run: () => void; title: string; children: ReactNode }): ReactNode {
  return (
    <button type="button" style={BUTTON} title={title} onClick={run}>
      {children}
    </button>
  );
}

function Latency({ now, all }: { now: number; all: readonly number[] }): ReactNode {
  const top = Math.max(...all, 1);
  const points = all.map((value, i) => `${i * 4},${16 - (value / top) * 15}`).join(" ");
  return (
    <>
      {now} ms{" "}
      <svg width={120} height={16} aria-hidden style={{ verticalAlign: "middle" }}>
        <polyline points={points} fill="none" stroke="#58a6ff" />
      </svg>
    </>
  );
}

function Frames({ frames }: { frames: readonly Frame[] }): ReactNode {
  const [wanted, setWanted] = useState("");
  const found = frames.filter(({ event, text, way }) => `${way} ${event} ${text}`.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <>
      <h2 style={TITLE}>Frames</h2>
      <input type="search" aria-label="Search frames" placeholder="search" style={FIELD} value={wanted} onChange={(event) => setWanted(event.target.value)} />
      <ol style={LIST} data-cg="devtools-frames">
        {found
          .slice(-50)
          .reverse()
          .map(({ id, at, way, event, text }) => (
            <li key={id}>
              {time(at)} {way === "in" ? "↓" : `↑ ${way}`} <strong>{event || "(text)"}</strong> <span style={{ color: "#8b949e" }}>{text}</span>
            </li>
          ))}
      </ol>
    </>
  );
}
