// Says that something may have been missed, offers to load it anew, and says when that is done.

import type { Missed } from "@channelgate/client";
import { useStatus, type AnyClient } from "@channelgate/react";
import { useEffect, useState, type JSX } from "react";

import { clock } from "./time";

/** How long it is said that all was loaded anew, in milliseconds. */
const DONE = 5_000;

export interface MissedBarProps {
  of: AnyClient;
  /** Loads what the page shows. */
  load: () => Promise<unknown>;
}

export function MissedBar({ of, load }: MissedBarProps): JSX.Element {
  const missed = useStatus((status) => status.missed, of);
  const isRecovering = useStatus((status) => status.recovery === "recovering", of);
  const done = useLoadedAnew(of);
  const [isLoading, setLoading] = useState(false);
  const isBusy = isLoading || isRecovering;
  const click = async () => {
    if (isBusy) return;
    setLoading(true);
    try {
      await load();
      of.fresh();
    } catch {
      // It stays missed, and the button stays.
    } finally {
      setLoading(false);
    }
  };
  return (
    <div className="missed-place" role="status">
      {missed ? (
        <div className="missed-bar" data-state={isBusy ? "busy" : "missed"}>
          <span>{isBusy ? "Loading what was missed" : `Updates ${between(missed)} may be missing.`}</span>
          {/* A disabled button would lose the focus. */}
          <button type="button" className="primary" data-testid="load-anew" aria-disabled={isBusy} onClick={() => void click()}>
            Load anew
          </button>
        </div>
      ) : (
        done && (
          <div className="missed-bar" data-state="done">
            <span>{`What changed ${between(done)} was loaded anew.`}</span>
          </div>
        )
      )}
    </div>
  );
}

const between = ({ since, until }: Missed): string => (clock(since) === clock(until) ? `at ${clock(until)}` : `between ${clock(since)} and ${clock(until)}`);

/** The last miss, for some seconds after it was loaded anew. */
function useLoadedAnew(client: AnyClient): Missed | null {
  const [done, setDone] = useState<Missed | null>(null);
  useEffect(() => {
    let before = client.snapshot().missed;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = client.subscribe(() => {
      const { missed } = client.snapshot();
      if (before && !missed) {
        setDone(before);
        clearTimeout(timer);
        timer = setTimeout(() => setDone(null), DONE);
      }
      before = missed;
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [client]);
  return done;
}
