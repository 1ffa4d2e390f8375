// The five pages, each in files of its own: the first one to be seen does not wait for the others.

import { lazy, type ComponentType } from "react";

import type { SystemId } from "../systems";

const LOADS: Record<SystemId, () => Promise<{ default: ComponentType }>> = {
  visitors: () => import("./visitors").then(({ Visitors }) => ({ default: Visitors })),
  parking: () => import("./parking").then(({ Parking }) => ({ default: Parking })),
  manager: () => import("./manager").then(({ Manager }) => ({ default: Manager })),
  class: () => import("./class").then(({ Class }) => ({ default: Class })),
  workshop: () => import("./workshop").then(({ Workshop }) => ({ default: Workshop })),
};

export const PAGES: Record<SystemId, ComponentType> = {
  visitors: lazy(LOADS.visitors),
  parking: lazy(LOADS.parking),
  manager: lazy(LOADS.manager),
  class: lazy(LOADS.class),
  workshop: lazy(LOADS.workshop),
};

/** Loads all of them two seconds later, when the first page is there; the browser keeps what it has. Returns what stops it. */
export function loadPages(): () => void {
  const handle = setTimeout(() => Object.values(LOADS).forEach((load) => void load().catch(() => undefined)), 2_000);
  return () => clearTimeout(handle);
}
