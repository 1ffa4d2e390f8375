// docs/clients/close-codes.md is made of src/closecodes.ts: `npx vitest run --project core close-codes --update` writes it.

import { fileURLToPath } from "node:url";

import { expect, it } from "vitest";

import { closeCodes, socketReasons, UNKNOWN_RETRIES, verdictOf } from "../src/closecodes.js";
import type { Verdict } from "../src/types.js";

const page = fileURLToPath(new URL("../../../docs/clients/close-codes.md", import.meta.url));

/** What the client does, in the order of the tables. */
const verdicts: Readonly<Record<Verdict, string>> = {
  closed: "It ends: status `closed`.",
  retry: "It tries again, with back-off.",
  "retry-later": "It tries again, after 5 seconds and the back-off.",
  "retry-soon": "It tries again within 2 seconds, at a random time; this does not count as a failed attempt.",
  expired: "It asks the token function once more (`why: \"expired\"`) and tries again at once. If it is refused again, or within 10 seconds after that: status `unauthorized`. The same without a token.",
  unauthorized: "It waits for a login: status `unauthorized`, until `setToken()`, `reconnect()`, or a login in another tab.",
  failed: "It stops: status `failed`, until `reconnect()`.",
};

const meanings: Readonly<Record<number, string>> = {
  1000: "The server has nothing more to say.",
  1001: "The server goes away.",
  1002: "A mistake in the protocol.",
  1003: "The server does not take this kind of data.",
  1005: "Closed without a code.",
  1006: "The connection was cut, or could not be opened. Browsers do not say why.",
  1007: "Text that is not UTF-8.",
  1008: "More than the server allows one connection.",
  1009: "A message is too big. It is not sent again.",
  1010: "An extension that the client needs is missing.",
  1011: "The server has failed.",
  1012: "The node restarts.",
  1013: "The server has no room, or cannot decide now. An open connection was closed because the client was too slow: events are lost, and `missed` says so.",
  1014: "A proxy has got no valid answer.",
  1015: "TLS has failed.",
  4000: "A bad request.",
  4001: "The token is missing.",
  4003: "The token is not valid.",
  4004: "Not found.",
  4401: "The token is missing, not valid, or has ended.",
  4403: "The user may not connect, or the token was revoked.",
  4404: "Not found.",
  4408: "The client did not answer the server's heartbeat.",
};

const reasons: Readonly<Record<string, string>> = {
  "io client disconnect": "The client has closed it.",
  "ping timeout": "The server's heartbeat was missed.",
  "transport close": "The connection was closed. The codes 1009, 1011, 1012 and 1013 of a WebSocket mean what they mean above.",
  "transport error": "The connection was cut, or could not be opened.",
  "parse error": "A packet could not be read.",
  "Service unavailable": "`connect_error`: the node cannot decide now.",
  "too many connections of this user": "`connect_error`: `limits.connections_per_user`.",
  "HTTP 429": "Too many connections of this address. With polling, and in Node; browsers do not tell it of a WebSocket.",
  "HTTP 503": "The node is full or restarts. The same.",
  "Invalid namespace": "`connect_error`: no consumer serves the path of the `url`.",
  "io server disconnect": "The server has ended it: a token has ended or was revoked, or a handler did so.",
};

/** Codes that the table has, or that have a meaning of their own. */
const codes = [...new Set([...Object.values(closeCodes).flat(), ...Object.keys(meanings).map(Number)])].sort((one, other) => one - other);
const listed = Object.entries(socketReasons).flatMap(([verdict, all]) => all.map((reason) => [reason, verdict] as const));

const markdown = `# Close codes

<!-- Generated from clients/core/src/closecodes.ts by clients/core/tests/close-codes.test.ts: do not edit. -->

Made of \`clients/core/src/closecodes.ts\`, and compared with it by a test. \`closeCodes\` of the [options](core.md#options) overrides any row, \`refusals\` of \`socketIo()\` any message of a refusal.
What the node sends, and why: [errors.md](../operations/errors.md#close-codes).

| verdict | what the client does |
| --- | --- |
${Object.entries(verdicts).map(([verdict, text]) => `| \`${verdict}\` | ${text} |`).join("\n")}

## Plain WebSocket

| code | meaning | verdict |
| --- | --- | --- |
${codes.map((code) => `| ${code} | ${meanings[code]} | \`${verdictOf(code)}\` |`).join("\n")}
| other 1000–2999 | | \`${verdictOf(2999)}\` |
| other 3000–4999 | The application's own. | \`retry\`, ${UNKNOWN_RETRIES} times, then \`failed\` |

## Socket.IO

| reason | meaning | verdict |
| --- | --- | --- |
${listed.map(([reason, verdict]) => `| \`${reason}\` | ${reasons[reason]} | \`${verdict}\` |`).join("\n")}
| any other \`connect_error\` | The token is missing or not valid, or \`on_admit\` has refused. | \`expired\` |
`;

it("the page of close codes is made of the table", async () => {
  expect(markdown).not.toContain("undefined");
  await expect(markdown).toMatchFileSnapshot(page);
});

it("every close code has a verdict, except for the application's own", () => {
  const unknown = Array.from({ length: 4_000 }, (_, n) => 1_000 + n).filter((code) => verdictOf(code) === undefined);
  expect(Math.min(...unknown)).toBe(3000);
  expect(unknown).toHaveLength(2_000 - Object.keys(meanings).filter((code) => Number(code) >= 3000).length);
});
