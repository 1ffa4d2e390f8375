// The page that is shown: the address's part after "#/", so that nginx has one file to serve.

import { useSyncExternalStore } from "react";

import { SYSTEMS, type SystemId } from "./systems";

function current(): SystemId {
  const name = location.hash.replace(/^#\/?/, "");
  return SYSTEMS.find(({ id }) => id === name)?.id ?? "visitors";
}

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export const useRoute = (): SystemId => useSyncExternalStore(subscribe, current);

export const addressOf = (page: SystemId): string => `#/${page}`;
