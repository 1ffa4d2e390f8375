// Around every page: the bar at the top, the rail, and the river at the bottom. They stay where they are, whatever happens.

import { lazy, Suspense, useEffect, useState, type JSX, type ReactNode } from "react";

import { addressOf } from "../route";
import { useControl } from "../stream/provider";
import { systemOf, type SystemId } from "../systems";
import { Boundary } from "../ui/boundary";
import { BreakIt } from "./break-it";
import { Facts, useHint } from "./facts";
import { Latency } from "./latency";
import { PersonMenu } from "./person";
import { Rail } from "./rail";
import { River } from "./river";
import { ServedBy } from "./served-by";
import "./shell.css";
import "./foot.css";

// Loaded when they are opened.
const EventList = lazy(() => import("./events").then((all) => ({ default: all.EventList })));
const EventDetails = lazy(() => import("./events").then((all) => ({ default: all.EventDetails })));

type Side = { readonly kind: "list" } | { readonly kind: "event"; readonly key: string; readonly isFromList: boolean } | null;

export function Shell({ page, children }: { page: SystemId; children: ReactNode }): JSX.Element {
  const [side, setSide] = useState<Side>(null);
  const [isHinted, dismiss] = useHint();
  const control = useControl();
  const close = () => setSide(null);
  useEffect(() => {
    document.title = `${systemOf(page).title} · Channelgate`;
  }, [page]);
  return (
    <div className={`shell hue-${systemOf(page).hue} ${control?.isPending ? "is-pending" : ""}`}>
      <header className="bar">
        <a className="skip" href={`${addressOf(page)}/main`} onClick={skip}>
          Skip to the page
        </a>
        <Wordmark />
        <ServedBy page={page} />
        <div className="bar-end">
          <Latency />
          <PersonMenu />
          <BreakIt page={page} onOpen={dismiss} />
        </div>
        {control && !control.isPending && isHinted && (
          <aside className="hint" aria-label="Hint">
            <p>
              <strong>Break something.</strong> Kill the node that serves this page, and watch the river below: another one takes over, and every event is accounted for.
            </p>
            <button type="button" onClick={dismiss}>
              Got it
            </button>
          </aside>
        )}
      </header>
      <Rail page={page} />
      <main className="page" id="main" tabIndex={-1}>
        <div className="page-inner">{children}</div>
      </main>
      <footer className="foot">
        <Facts onList={() => setSide(side?.kind === "list" ? null : { kind: "list" })} />
        <River onPick={(key) => setSide({ kind: "event", key, isFromList: false })} />
      </footer>
      <Boundary>
        <Suspense>
          {side?.kind === "list" && <EventList onPick={(key) => setSide({ kind: "event", key, isFromList: true })} onClose={close} />}
          {side?.kind === "event" && <EventDetails key={side.key} of={side.key} onBack={side.isFromList ? () => setSide({ kind: "list" }) : null} onClose={close} />}
        </Suspense>
      </Boundary>
    </div>
  );
}

/** The part of the address after "#" is the page's name: the link must not change it. */
function skip(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Wordmark(): JSX.Element {
  return (
    <p className="wordmark">
      <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
        <rect width="32" height="32" rx="8" className="wordmark-ground" />
        <path d="M7 24V14a9 9 0 0 1 18 0v10" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
        <path d="M12.5 24v-9.5a3.5 3.5 0 0 1 7 0V24" fill="none" stroke="#8ee8dc" strokeWidth="2.6" strokeLinecap="round" />
      </svg>
      <span>Channelgate</span>
    </p>
  );
}
