// The five systems; on a phone a bar of tabs at the bottom.

import { useStatus, type Status } from "@channelgate/react";
import type { JSX } from "react";

import { addressOf } from "../route";
import { useStream } from "../stream/provider";
import { SYSTEMS, useClients, type System, type SystemId } from "../systems";
import { Icon, NodeGlyph } from "../ui/icons";
import { useStore } from "../ui/store";

const number = new Intl.NumberFormat("en", { notation: "compact" });

export function Rail({ page }: { page: SystemId }): JSX.Element {
  const stream = useStream();
  const { arrivals } = useStore(stream.totals);
  const serving = useStore(stream.serving);
  const nodes = useStore(stream.nodes);
  return (
    <nav className="rail" aria-label="Systems">
      <ul>
        {SYSTEMS.map((system) => (
          <li key={system.id}>
            <Entry of={system} count={arrivals[system.id]} isCurrent={system.id === page} />
          </li>
        ))}
      </ul>
      <div className="rail-note">
        <p>
          <strong>One page, five sockets.</strong> Each system has its own connection, on whichever node was free.
        </p>
        <ul>
          {nodes.map(({ name, state }, index) => (
            <li key={name} className={state === "running" ? "" : "is-down"}>
              <NodeGlyph index={index} size={11} /> {name}
              <span className="muted">{state === "running" ? countOf(name, serving) : state}</span>
            </li>
          ))}
        </ul>
      </div>
    </nav>
  );
}

const statusOf = ({ status }: Status): Status["status"] => status;

function Entry({ of: { id, title, hue }, count, isCurrent }: { of: System; count: number; isCurrent: boolean }): JSX.Element {
  const stream = useStream();
  const node = useStore(stream.serving)[id];
  const index = useStore(stream.nodes).findIndex(({ name }) => name === node);
  const status = useStatus(statusOf, useClients()[id]);
  return (
    <a href={addressOf(id)} className={`hue-${hue}`} aria-current={isCurrent ? "page" : undefined} data-testid={`rail-${id}`} data-count={count} data-node={node ?? ""} data-status={status}>
      <span className="rail-icon">
        <Icon of={id} />
        {count > 0 && <span key={count} className="pulse" />}
      </span>
      <span className="rail-title">{title}</span>
      <span className="rail-count">
        {number.format(count)}
        <span className="visually-hidden"> events</span>
      </span>
      <span className="rail-node" title={node === undefined ? status : `served by ${node}`}>
        {node !== undefined && index >= 0 ? <NodeGlyph index={index} size={10} /> : <span className="rail-away" />}
      </span>
    </a>
  );
}

function countOf(node: string, serving: Readonly<Partial<Record<SystemId, string>>>): string {
  const count = Object.values(serving).filter((one) => one === node).length;
  return count === 0 ? "no socket of yours" : count === 1 ? "1 socket" : `${count} sockets`;
}
