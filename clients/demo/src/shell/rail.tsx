// The five systems; on a phone a bar of tabs at the bottom.

import type { JSX } from "react";

import { addressOf } from "../route";
import { useStream } from "../stream/provider";
import { SYSTEMS, type SystemId } from "../systems";
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
        {SYSTEMS.map(({ id, title, hue }) => {
          const node = serving[id];
          const index = nodes.findIndex(({ name }) => name === node);
          return (
            <li key={id}>
              <a href={addressOf(id)} className={`hue-${hue}`} aria-current={id === page ? "page" : undefined} data-testid={`rail-${id}`} data-count={arrivals[id]} data-node={node ?? ""}>
                <span className="rail-icon">
                  <Icon of={id} />
                  {arrivals[id] > 0 && <span key={arrivals[id]} className="pulse" />}
                </span>
                <span className="rail-title">{title}</span>
                <span className="rail-count">
                  {number.format(arrivals[id])}
                  <span className="visually-hidden"> events</span>
                </span>
                <span className="rail-node" title={node === undefined ? "not connected" : `served by ${node}`}>
                  {node !== undefined && index >= 0 ? <NodeGlyph index={index} size={10} /> : <span className="rail-away" />}
                </span>
              </a>
            </li>
          );
        })}
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

function countOf(node: string, serving: Readonly<Partial<Record<SystemId, string>>>): string {
  const count = Object.values(serving).filter((one) => one === node).length;
  return count === 0 ? "no socket of yours" : count === 1 ? "1 socket" : `${count} sockets`;
}
