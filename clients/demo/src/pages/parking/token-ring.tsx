// How long the ws-token is still valid: a ring that runs out, and is full again when the client has fetched another one.

import { useSyncExternalStore, type CSSProperties, type JSX } from "react";

import { useWsToken } from "../../systems";
import { Tick } from "../../ui/changed";
import { clock } from "../../ui/time";
import { validity } from "./data";

const RADIUS = 27;

function everySecond(listener: () => void): () => void {
  const timer = setInterval(listener, 1_000);
  return () => clearInterval(timer);
}

const now = (): number => Math.floor(Date.now() / 1_000) * 1_000;

const pad = (number: number): string => `${number}`.padStart(2, "0");

export function TokenRing(): JSX.Element {
  const token = useWsToken();
  const at = useSyncExternalStore(everySecond, now);
  const left = token ? Math.max(0, Math.min(token.expires - at, token.expires - token.issued)) : 0;
  const part = token ? left / (token.expires - token.issued) : 0;
  const [minutes, seconds] = [Math.floor(left / 60_000), Math.floor(left / 1_000) % 60];
  const text = token ? validity(left) : "Fetching a ws-token";
  return (
    <div className="token" data-testid="token-ring" data-renewals={token?.renewals ?? 0} data-left={Math.round(left / 1_000)}>
      <svg viewBox="0 0 64 64" width="64" height="64" role="img" aria-label={text}>
        <circle className="token-track" cx="32" cy="32" r={RADIUS} />
        <circle className="token-left" cx="32" cy="32" r={RADIUS} pathLength="100" data-low={part < 0.1} style={{ "--left": part * 100 } as CSSProperties} />
        <path className="token-key" d="M29 34.5a5 5 0 1 1 3.200-4.700h8.300v3.700h-2.300v-2h-3v2h-2.400v-1.400" />
      </svg>
      <div>
        <h2>ws-token</h2>
        <p className="token-time">{!token ? "Fetching" : left > 0 ? `${minutes}:${pad(seconds)} left` : "Ended"}</p>
        <p className="muted">
          {token ? <Tick value={`${token.renewals === 0 ? "Issued" : "Renewed"} at ${clock(token.issued)}`} /> : "The socket opens with it"}
        </p>
      </div>
    </div>
  );
}
