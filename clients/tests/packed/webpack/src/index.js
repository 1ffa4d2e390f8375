// An application without a compiler for JSX.

import "@channelgate/react/styles.css";
import { ChannelgateProvider, useEvents, useStatus } from "@channelgate/react";
import { ConnectionStatus } from "@channelgate/react/components";
import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";

function Clients() {
  const { status } = useStatus();
  const events = useEvents("client_create");
  return createElement(
    "main",
    null,
    createElement("p", { id: "status" }, status),
    createElement("ul", { id: "events" }, events.map(({ id, data }) => createElement("li", { key: id }, data.first_name))),
  );
}

const url = new URLSearchParams(location.search).get("gate");
createRoot(document.getElementById("root")).render(createElement(StrictMode, null, createElement(ChannelgateProvider, { url }, createElement(ConnectionStatus), createElement(Clients))));
