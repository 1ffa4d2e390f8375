// The control process of the demonstration: states of nodes, the activity, and orders to break something. Without it
// (`make up`) the page only shows.

import type { NodeInfo, NodeState } from "./types";

export interface Activity {
  readonly paused: boolean;
  readonly speed: number;
}

export interface Config {
  readonly nodes: readonly NodeInfo[];
  readonly activity: Activity;
}

const BASE = "/demo/control";

/** null where there is none. Rejects where it does not answer now. */
export async function loadConfig(signal: AbortSignal): Promise<Config | null> {
  const response = await fetch(`${BASE}/config`, { signal, cache: "no-store" });
  if (response.status >= 500) throw new Error(`the control process answered ${response.status}`);
  if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) return null;
  const { nodes, activity } = (await response.json()) as { nodes?: unknown; activity?: unknown };
  return { nodes: nodesOf(nodes), activity: activityOf(activity) };
}

export function activityOf(data: unknown): Activity {
  const { paused = false, speed = 1 } = Object(data) as Partial<Activity>;
  return { paused, speed };
}

/** Longer than the control process waits for Django. */
const ANSWER = 60_000;

/** The answer; rejects with what is to be shown. */
export async function command(name: string, body: object = {}): Promise<unknown> {
  const response = await fetch(`${BASE}/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Demo": "1" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER),
  }).catch(() => {
    throw new Error("the control process does not answer");
  });
  if (response.ok) return response.json().catch(() => ({}));
  const { error } = (await response.json().catch(() => ({}))) as { error?: unknown };
  throw new Error(typeof error === "string" ? error : `the control process answered ${response.status}`);
}

const STATES: readonly string[] = ["running", "ending", "killed", "starting"] satisfies NodeState[];

export function nodesOf(data: unknown): NodeInfo[] {
  if (!Array.isArray(data)) return [];
  return (data as Partial<NodeInfo>[]).flatMap(({ name, state }) => (name === undefined ? [] : [{ name, state: state !== undefined && STATES.includes(state) ? state : "running" }]));
}
