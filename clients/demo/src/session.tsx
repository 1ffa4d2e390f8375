// Who uses the page: one of the demonstration's people, logged in at Django with simplejwt.

import { Unauthorized, type TokenContext } from "@channelgate/client";
import { createContext, useContext, useMemo, useState, type JSX, type ReactNode } from "react";

export interface Person {
  readonly username: string;
  readonly name: string;
  readonly role: string;
}

/** As `manage.py make_people` makes them. */
export const PEOPLE: readonly Person[] = [
  { username: "ann", name: "Ann Archer", role: "user" },
  { username: "mia", name: "Mia Manager", role: "manager" },
  { username: "moe", name: "Moe Moderator", role: "moderator" },
  { username: "tia", name: "Tia Technician", role: "technician" },
  { username: "tom", name: "Tom Technician", role: "technician" },
];
const PASSWORD = "demonstration";

export interface Session {
  readonly person: Person;
  /** The user's id in Django, when it is known. */
  become(person: Person): void;
}

const SessionContext = createContext<Session | null>(null);
const KEY = "person";

export function SessionProvider({ children }: { children: ReactNode }): JSX.Element {
  const [person, setPerson] = useState<Person>(() => PEOPLE.find(({ username }) => username === sessionStorage.getItem(KEY)) ?? PEOPLE[0]!);
  const session = useMemo<Session>(
    () => ({
      person,
      become: (other) => {
        sessionStorage.setItem(KEY, other.username);
        setPerson(other);
      },
    }),
    [person],
  );
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession must be used within the SessionProvider");
  return session;
}

interface Login {
  readonly access: string;
  /** When it ends, in milliseconds since 1970. */
  readonly expires: number;
  readonly id: number;
}

/** Tokens are asked for again this long before they end. */
const EARLY = 30_000;

const logins = new Map<string, Promise<Login>>();

async function logIn(username: string): Promise<Login> {
  const response = await fetch("/api/token/", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  if (response.status === 401) throw new Unauthorized(`${username} may not log in`);
  if (!response.ok) throw new Error(`/api/token/: ${response.status}`);
  const { access } = (await response.json()) as { access: string };
  const { exp, user_id } = JSON.parse(atob(access.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) as { exp: number; user_id: number | string };
  return { access, expires: exp * 1_000, id: Number(user_id) };
}

/** The person's login: the last one, unless it ends soon or the server does not take it any more. */
async function loginOf(username: string, isFresh = false): Promise<Login> {
  const known = isFresh ? undefined : logins.get(username);
  const login = await known?.catch(() => undefined);
  if (login && login.expires - EARLY > Date.now()) return login;
  // Of several that find it old at once, the first asks.
  const other = logins.get(username);
  if (other && other !== known) return other;
  const asked = logIn(username);
  logins.set(username, asked);
  asked.catch(() => logins.get(username) === asked && logins.delete(username));
  return asked;
}

/** For the `token` of providers and `configure`. */
export const tokenOf =
  ({ username }: Person) =>
  async ({ why }: Pick<TokenContext, "why">): Promise<string> =>
    (await loginOf(username, why === "expired" || why === "refused")).access;

/** The `Authorization` of requests to Django. */
export const authorizationOf = async ({ username }: Person): Promise<string> => `Bearer ${(await loginOf(username)).access}`;

/** The person's id in Django. */
export const userIdOf = async ({ username }: Person): Promise<number> => (await loginOf(username)).id;
