// The ids in Django of the demonstration's people, from their logins.

import { useEffect, useState } from "react";

import { userIdOf, type Person } from "../session";

/** By username; without those that are not known yet. */
export function useUserIds(people: readonly Person[]): ReadonlyMap<string, number> {
  const [ids, setIds] = useState<ReadonlyMap<string, number>>(new Map());
  useEffect(() => {
    let isWanted = true;
    for (const one of people) {
      userIdOf(one).then(
        (id) => isWanted && setIds((before) => (before.get(one.username) === id ? before : new Map(before).set(one.username, id))),
        // Without a login the id stays unknown; the page says what else is wrong.
        () => undefined,
      );
    }
    return () => {
      isWanted = false;
    };
  }, [people]);
  return ids;
}
