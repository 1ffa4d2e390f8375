// Topics as chips: each one that is on is a subscription of this page's socket.

import type { JSX } from "react";

import { TOPICS } from "../../parking-topics";

export function Topics({ chosen, onChange }: { chosen: readonly string[]; onChange: (topics: readonly string[]) => void }): JSX.Element {
  return (
    <fieldset className="chips topics">
      <legend>Topics</legend>
      {TOPICS.map(([name, title]) => {
        const isOn = chosen.includes(name);
        return (
          <label key={name} className="chip" title={name}>
            <input
              type="checkbox"
              data-testid={`topic-${name}`}
              checked={isOn}
              onChange={() => onChange(isOn ? chosen.filter((other) => other !== name) : [...chosen, name])}
            />
            <span className="topic-mark" />
            {title}
          </label>
        );
      })}
    </fieldset>
  );
}
