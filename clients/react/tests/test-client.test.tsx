// The example of docs/clients/testing.md, word for word.

import { createTestClient } from "@channelgate/client/testing";
import { ChannelgateProvider, useEvents, useStatus } from "@channelgate/react";
import { createRoot } from "react-dom/client";
import { expect, it } from "vitest";

interface Orders {
  "order.paid": { id: number };
}

function Paid() {
  const { status } = useStatus();
  const paid = useEvents<Orders, "order.paid">("order.paid");
  return <p>{status}: {paid.map(({ data }) => data.id).join(", ")}</p>;
}

it("lists orders as they are paid, and says that it reconnects", async () => {
  const client = createTestClient<Orders>();
  const page = document.createElement("div");
  createRoot(page).render(<ChannelgateProvider client={client}><Paid /></ChannelgateProvider>);
  await expect.poll(() => page.textContent).toBe("connecting: ");
  client.open();
  client.receive("order.paid", { id: 7 });
  await expect.poll(() => page.textContent).toBe("open: 7");
  client.drop();
  await expect.poll(() => page.textContent).toBe("reconnecting: 7");
});
