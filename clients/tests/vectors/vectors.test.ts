// The vectors of docs/PROTOCOL.md, by which clients in other languages are checked, hold for this client.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Decoder, Encoder, PacketType, type Packet } from "socket.io-parser";
import { describe, expect, it } from "vitest";

import { closeCodes, socketReasons, verdictOf } from "../../core/src/closecodes.js";
import { typed } from "../../core/src/dialect.js";
import { rooms } from "../../core/src/socketio.js";
import type { OpenRequest } from "../../core/src/types.js";
import { webSocket } from "../../core/src/websocket.js";
import { play, type Timeline } from "./timeline.js";

const clients = fileURLToPath(new URL("../../", import.meta.url));
const read = <T>(name: string): T => JSON.parse(readFileSync(join(clients, "vectors", name), "utf8")) as T;

interface Frame {
  readonly system: string;
  readonly direction: "to-client" | "to-server";
  readonly wire: string;
  readonly event: string | null;
  readonly data?: unknown;
}

const frames = read<Frame[]>("frames.json");
const isSocketIo = ({ wire }: Frame) => wire.startsWith("42[");

/** A message of Engine.IO with an event, as socket.io-client reads it. */
function decoded(wire: string): unknown[] {
  const decoder = new Decoder();
  const packets: Packet[] = [];
  decoder.on("decoded", (packet: Packet) => packets.push(packet));
  decoder.add(wire.slice(1));
  return packets[0]?.data as unknown[];
}

describe("frames.json", () => {
  it.each(frames.filter(({ direction }) => direction === "to-client"))("$system: a client that gets $wire has the event $event", (frame) => {
    if (isSocketIo(frame)) {
      const [event, ...args] = decoded(frame.wire);
      expect(rooms().read({ event, data: args[0], args })).toEqual({ event: frame.event, data: frame.data });
    } else if (frame.event === null) expect(frame.wire).toBe("pong");
    else expect(typed.read(JSON.parse(frame.wire))).toEqual({ event: frame.event, data: frame.data });
  });

  it.each(frames.filter(({ direction }) => direction === "to-server"))("$system: a client that sends $event writes $wire", (frame) => {
    const { event, data, wire } = frame;
    if (isSocketIo(frame)) {
      const args = data === undefined ? [] : [data];
      const written = new Encoder().encode({ type: PacketType.EVENT, nsp: "/", data: [event, ...args] });
      expect(`4${String(written[0])}`).toBe(wire);
    } else if (event === null) expect(wire).toBe("ping");
    else expect(JSON.stringify(typed.write(event, data))).toBe(wire);
  });

  it("has every event of the schemas, and no other", () => {
    const schemas = readdirSync(join(clients, "schemas"), { recursive: true, encoding: "utf8" });
    const events = schemas.flatMap((path) => /^(.+)\/(to-\w+)\/(.+)\.json$/.exec(path)?.slice(1).join(" ") ?? []);
    const named = frames.map(({ system, direction, event, wire }) => `${system} ${direction} ${event ?? `${wire}.text`}`);
    expect([...new Set(named)].sort()).toEqual(events.sort());
  });
});

describe("urls.json", () => {
  it.each(read<{ url: string; token: string | null; tokenIn: OpenRequest["tokenIn"]; opens: string; protocols: string[] }[]>("urls.json"))(
    "$url, with $token in the $tokenIn",
    ({ url, token, tokenIn, opens, protocols }) => {
      const opened: [string, string[] | undefined][] = [];
      const nothing = () => undefined;
      class Socket {
        readyState = 0;
        onopen = null;
        onmessage = null;
        onclose = null;
        onerror = null;
        send = nothing;
        close = nothing;
        constructor(address: string, offered?: string[]) {
          opened.push([address, offered]);
        }
      }
      webSocket({ WebSocket: Socket }).open({ url: new URL(url), token, tokenIn }, { opened: nothing, frame: nothing, closed: nothing });
      expect(opened).toEqual([[opens, protocols]]);
    },
  );
});

const closes = read<{ codes: Record<string, string>; reasons: Record<string, string> }>("closes.json");
/** A table of the client as in closes.json: what has which verdict. */
const flat = (table: object): Record<string, string> =>
  Object.fromEntries(Object.entries(table).flatMap(([verdict, all]) => (all as unknown[]).map((one) => [String(one), verdict])));

describe("closes.json", () => {
  it("has the verdict of every code", () => {
    expect(Object.fromEntries(Object.keys(closes.codes).map((code) => [code, verdictOf(Number(code))]))).toEqual(closes.codes);
    expect(closes.codes).toMatchObject(flat(closeCodes));
  });

  it("has the verdict of every reason of Socket.IO", () => {
    expect(closes.reasons).toEqual(flat(socketReasons));
  });
});

describe("timelines.json", () => {
  it.each(read<Timeline[]>("timelines.json"))("$title", async (timeline) => {
    expect(await play(timeline)).toEqual(timeline.lines);
  });
});

describe("docs/PROTOCOL.md", () => {
  const page = readFileSync(join(clients, "../docs/PROTOCOL.md"), "utf8");
  const blocks = [...page.matchAll(/^```text\n([^]*?)\n```$/gm)].map(([, text = ""]) => text.split("\n"));
  /** First cell and verdict of the rows that have one. */
  const rows = [...page.matchAll(/^\| ([^|\n]+) \| `([a-z-]+)` \|/gm)].map(([, of = "", verdict = ""]) => ({ of, verdict }));

  it("has the verdicts of closes.json", () => {
    const codes = rows.filter(({ of }) => /^[\d, ]+$/.test(of)).flatMap(({ of, verdict }) => of.split(", ").map((code) => [code, verdict]));
    expect(Object.fromEntries(codes)).toEqual(closes.codes);
    // "HTTP 429, 503" names two reasons.
    const names = ({ of }: { of: string }, reason: string) => of.includes(reason) || (of.includes("HTTP") && of.includes(reason.replace("HTTP ", ", ")));
    const reasons = Object.keys(closes.reasons).map((reason) => [reason, rows.find((row) => names(row, reason))?.verdict]);
    expect(Object.fromEntries(reasons)).toEqual(closes.reasons);
    expect(rows).toContainEqual({ of: "any other `connect_error`", verdict: "expired" });
  });

  it("names every story of timelines.json", () => {
    expect(blocks).toContainEqual(read<Timeline[]>("timelines.json").map(({ title }) => title));
  });
});
