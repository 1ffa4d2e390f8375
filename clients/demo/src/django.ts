// Requests to Django's REST, as one of the people.

import { authorizationOf, type Person } from "./session";

export interface Asked {
  readonly method?: "GET" | "POST" | "PATCH";
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** The body of the answer; rejects with what Django says where it refuses. */
export async function django<T>(person: Person, path: string, { method = "GET", body, signal }: Asked = {}): Promise<T> {
  const response = await fetch(`/api/${path}`, {
    method,
    cache: "no-store",
    headers: { Authorization: await authorizationOf(person), ...(body && { "Content-Type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  if (!response.ok) throw new Error(`Django answered ${response.status} to ${method} /api/${path}`);
  return (await response.json()) as T;
}
