// Who uses the page. One click makes it somebody else.

import type { JSX } from "react";

import { PEOPLE, useSession, type Person } from "../session";
import { Popover } from "../ui/popover";
import { first } from "./actions";

export function PersonMenu(): JSX.Element {
  const { person, become } = useSession();
  return (
    <Popover
      label={`You are ${person.name}, ${person.role}. Change`}
      testid="person"
      className="person-button"
      button={
        <>
          <Initials of={person} />
          <span className="person-name">{first(person)}</span>
        </>
      }
    >
      {(close) => (
        <ul className="person-list">
          {PEOPLE.map((one) => (
            <li key={one.username}>
              <button
                type="button"
                aria-current={one.username === person.username ? "true" : undefined}
                data-testid={`person-${one.username}`}
                onClick={() => {
                  close();
                  if (one.username !== person.username) become(one);
                }}
              >
                <Initials of={one} />
                <span>
                  <strong>{one.name}</strong>
                  <small>{one.role}</small>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </Popover>
  );
}

function Initials({ of: { name } }: { of: Person }): JSX.Element {
  const letters = name
    .split(" ")
    .map((word) => word[0])
    .join("");
  return <span className="initials" data-letters={letters} aria-hidden="true" />;
}
