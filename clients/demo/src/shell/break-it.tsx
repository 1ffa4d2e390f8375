// What the person may break.

import type { JSX } from "react";

import { useSession } from "../session";
import { useControl, useStream } from "../stream/provider";
import { useStore } from "../ui/store";
import { Icon } from "../ui/icons";
import { Popover } from "../ui/popover";
import type { SystemId } from "../systems";
import { Speed } from "./activity";
import { ACTIONS, type Action } from "./actions";
import "./break-it.css";

export function BreakIt({ page, onOpen }: { page: SystemId; onOpen: () => void }): JSX.Element | null {
  const control = useControl();
  const stream = useStream();
  const { person } = useSession();
  const target = { node: useStore(stream.serving)[page] ?? null, person };
  if (!control) return null;

  const run = (action: Action) => {
    const done = action.run(target);
    stream.broken({ begun: `${action.title(target)} …`, what: action.done(target), atLeast: action.lasts, done });
    done.catch((error: unknown) => stream.fact(`${action.title(target)}: ${error instanceof Error ? error.message : String(error)}`, true));
  };

  return (
    <Popover
      label="Break it"
      testid="break-it"
      className="break-button"
      onOpen={onOpen}
      button={
        <>
          <Icon of="bolt" size={16} />
          <span>Break it</span>
        </>
      }
    >
      {(close) => (
        <>
          <p className="break-lead">These are the real processes behind this page. Only going offline is done by the page itself.</p>
          <ul className="break-list">
            {ACTIONS.map((action) => (
              <li key={action.id}>
                <button
                  type="button"
                  data-testid={`break-${action.id}`}
                  disabled={action.isOfNode === true && target.node === null}
                  onClick={() => {
                    close();
                    run(action);
                  }}
                >
                  <strong>{action.title(target)}</strong>
                  <span>{action.text}</span>
                </button>
              </li>
            ))}
          </ul>
          <Speed where="menu" />
        </>
      )}
    </Popover>
  );
}
