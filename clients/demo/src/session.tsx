// Who uses the page: one of the demonstration's people, logged in at Django with simplejwt.

import { Unauthorized, type TokenContext } from "@channelgate/client";
import { createContext, useContext, useMemo, useState, type JSX, type ReactNode } from "react";

import { keep, kept } from "./ui/storage";

export interface Person {
  readonly username: string;
  readonly name: string;
  readonly role: string;
  /** What the face shows. */
  readonly gender: "female" | "male";
}

/** As `manage.py make_people` makes them. */
export const PEOPLE: readonly Person[] = [
  { username: "ann", name: "Ann Archer", role: "user", gender: "female" },
  { username: "mia", name: "Mia Manager", role: "manager", gender: "female" },
  { username: "moe", name: "Moe Moderator", role: "moderator", gender: "male" },
  { username: "tia", name: "Tia Technician", role: "technician", gender: "female" },
  { username: "tom", name: "Tom Technician", role: "technician", gender: "male" },
];
const PASSWORD = "demonstration";

export interface Session {
  readonly person: Person;
  become(person: Person): void;
}

const SessionContext = createContext<Session | null>(null);
const KEY = "person";
/** `?as=tom` in the address: the person of this window only, until another one is chosen. */
const ASKED = "as";

const find = (name: string | null): Person | undefined => PEOPLE.find(({ username }) => username === name);

function first(): Person {
  return find(new URLSearchParams(location.search).get(ASKED)) ?? find(kept("sessionStorage", KEY)) ?? PEOPLE[0]!;
}

/** The address of a page for another window, as another person. */
export const addressAs = ({ username }: Person, page: string): string => `${location.pathname}?${ASKED}=${username}${page}`;

export function SessionProvider({ children }: { children: ReactNode }): JSX.Element {
  const [person, setPerson] = useState<Person>(first);
  const session = useMemo<Session>(
    () => ({
      person,
      become: (other) => {
        keep("sessionStorage", KEY, other.username);
        // Otherwise the next load of this window would take the person of the address again.
        if (new URLSearchParams(location.search).has(ASKED)) history.replaceState(null, "", location.pathname + location.hash);
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

/** Several clients find at once that their login has ended: a login this young is the answer to that. */
const YOUNG = 500;

interface Asking {
  readonly login: Promise<Login>;
  readonly at: number;
}

const logins = new Map<string, Asking>();

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

/** The person's login: the last one, unless it ends soon, or has the token that was refused. */
async function loginOf(username: string, refused?: string): Promise<Login> {
  const known = logins.get(username);
  const login = await known?.login.catch(() => undefined);
  if (login && login.access !== refused && login.expires - EARLY > Date.now()) return login;
  // Of several that find it old at once, the first asks.
  const other = logins.get(username);
  if (other && other !== known) return other.login;
  const asking = { login: logIn(username), at: Date.now() };
  logins.set(username, asking);
  asking.login.catch(() => logins.get(username) === asking && logins.delete(username));
  return asking.login;
}

/** The next one who needs a token logs in: what is kept does not count any more. */
export function forgetLogin({ username }: Person): void {
  const known = logins.get(username);
  if (known && known.at + YOUNG < Date.now()) logins.delete(username);
}

/** For the `token` of one provider or `configure`: it remembers what it gave, and gives another one if that was refused. */
export const tokenOf = ({ username }: Person): (({ why }: Pick<TokenContext, "why">) => Promise<string>) => {
  let given: string | undefined;
  return async ({ why }) => (given = (await loginOf(username, why === "expired" || why === "refused" ? given : undefined)).access);
};

/** The person's id in Django. */
export const userIdOf = async ({ username }: Person): Promise<number> => (await loginOf(username)).id;

/** Asks Django as this person, and once more after a fresh login if the token does not count any more. */
export async function fetchAs({ username }: Person, input: string, init: RequestInit = {}): Promise<Response> {
  const ask = (access: string) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${access}` } });
  const { access } = await loginOf(username);
  const response = await ask(access);
  return response.status === 401 ? ask((await loginOf(username, access)).access) : response;
}
