// Who uses a client: `acquire`, and what `disconnect` and `connect` of the application are beside it.

import { expect, it } from "vitest";

import { createTestClient } from "../src/testing.js";

it("connects for a user who comes after disconnect() and the end of those before", () => {
  const client = createTestClient();
  const first = client.acquire();
  client.open();
  client.disconnect();
  expect(client.snapshot().status).toBe("closed");
  first();
  client.advance(1);
  const second = client.acquire();
  client.open();
  expect(client.snapshot().status).toBe("open");
  second();
  client.advance(1);
  expect(client.snapshot().status).toBe("closed");
});

it("stays connected by connect() after the last user", () => {
  const client = createTestClient();
  const user = client.acquire();
  client.open();
  user();
  client.advance(1);
  expect(client.snapshot().status).toBe("closed");
  client.connect();
  client.open();
  // The end of a room is not the end of a user.
  client.want("room", "a")();
  client.advance(1);
  expect(client.snapshot().status).toBe("open");
});
