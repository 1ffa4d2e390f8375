// What may be broken: each with what it does in one line, and what is said when it was done.

import { userIdOf, type Person } from "../session";
import { command } from "../stream/control";
import { goOffline } from "../stream/network";

export interface Target {
  /** The node that serves the page that is shown. */
  readonly node: string | null;
  readonly person: Person;
}

export interface Action {
  readonly id: string;
  title(target: Target): string;
  readonly text: string;
  /** The first words of the fact. */
  done(target: Target): string;
  /** Returns what to say instead of that, if anything. */
  run(target: Target): Promise<string | void>;
  /** Milliseconds that it lasts: the fact is not stated before. */
  readonly lasts: number;
  /** It needs a node. */
  readonly isOfNode?: boolean;
}

const OFFLINE = 5_000;
const BURST = 500;
/** What follows an order is watched for at least this long. */
const LOOK = 2_000;

const nameOf = ({ node }: Target): string => node ?? "this node";

export const ACTIONS: readonly Action[] = [
  {
    id: "end-node",
    title: (target) => `End ${nameOf(target)}`,
    text: "SIGTERM, as in an update. It sends its clients to other nodes, one after the other. It starts again after 3 s.",
    done: (target) => `${nameOf(target)} ended.`,
    run: async ({ node }) => void (await command("end-node", { node })),
    lasts: 3_000,
    isOfNode: true,
  },
  {
    id: "kill-node",
    title: (target) => `Kill ${nameOf(target)}`,
    text: "SIGKILL, as in a crash. Its clients get no close frame. It starts again after 3 s.",
    done: (target) => `${nameOf(target)} was killed.`,
    run: async ({ node }) => void (await command("kill-node", { node })),
    lasts: LOOK,
    isOfNode: true,
  },
  {
    id: "freeze-redis",
    title: () => "Freeze Redis for 6 s",
    text: "SIGSTOP. Nothing goes through, and no connection breaks. What Django publishes waits.",
    done: () => "Redis stood still for 6 s.",
    run: async () => void (await command("freeze-redis")),
    lasts: 8_000,
  },
  {
    id: "restart-redis",
    title: () => "Restart Redis",
    text: "All nodes and Django lose their connection to it, and what was in it.",
    done: () => "Redis was restarted.",
    run: async () => void (await command("restart-redis")),
    // Nodes find their connections closed within four seconds, and report what was missed when they are back.
    lasts: 8_000,
  },
  {
    id: "expire-token",
    title: ({ person }) => `Expire ${first(person)}'s token`,
    text: "The node closes what it had admitted by it. The page has to fetch another one.",
    done: ({ person }) => `${first(person)}'s token expired.`,
    run: async ({ person }) => void (await command("expire-token", { person: person.username })),
    lasts: LOOK,
  },
  {
    id: "revoke",
    title: ({ person }) => `Revoke ${first(person)} everywhere`,
    text: "Django disconnects the person on all nodes. This page logs in again, as a person would.",
    done: ({ person }) => `${first(person)} was disconnected everywhere.`,
    run: async ({ person }) => void (await command("revoke", { user: await userIdOf(person) })),
    lasts: 3_500,
  },
  {
    id: "offline",
    title: () => "Go offline for 5 s",
    text: "This page cuts its own sockets, lets no new one through, and says that it is offline.",
    done: () => "This page was cut off for 5 s.",
    run: async () => goOffline(OFFLINE),
    lasts: OFFLINE + LOOK,
  },
  {
    id: "burst",
    title: () => "500 events at once",
    text: "Django publishes them in one go. Count what arrives.",
    done: () => "Django sent 500 events at once.",
    run: async () => {
      const { sent = BURST } = Object(await command("burst")) as { sent?: number };
      return sent < BURST ? `Django sent ${sent} of ${BURST} events, then it lost Redis.` : undefined;
    },
    lasts: 3_000,
  },
];

export const first = ({ name }: Person): string => name.split(" ")[0]!;
