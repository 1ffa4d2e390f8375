// Renders the application.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import "@channelgate/react/styles.css";

import { App } from "./app";
import "./theme.css";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
