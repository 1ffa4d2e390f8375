// Requests to Django's REST, as one of the people.

import { fetchAs, type Person } from "./session";

export interface Asked {
  readonly method?: "GET" | "POST" | "PATCH";
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** The body of the answer; rejects with what Django says where it refuses. */
export async function django<T>(person: Person, path: string, { method = "GET", body, signal }: Asked = {}): Promise<T> {
  const response = await fetchAs(person, `/api/${path}`, {
    method,
    cache: "no-store",
    ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  if (!response.ok) throw new Error(`Django answered ${response.status} to ${method} /api/${path}`);
  return (await response.json()) as T;
}
