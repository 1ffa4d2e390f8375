"use client";
// Shows the connection's state, and the events.

import { useEvents, useStatus } from "@channelgate/react";

export function Clients() {
  const { status } = useStatus();
  const events = useEvents("client_create");
  return (
    <main>
      <p id="status">{status}</p>
      <ul id="events">
        {events.map(({ id, data }) => (
          <li key={id}>{data.first_name}</li>
        ))}
      </ul>
    </main>
  );
}
