// Builds the demonstration, and serves it for development beside a system that `make up` or `make demo` has started.

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where that system's nginx listens. */
const system = process.env["DEMO_SYSTEM"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  // A file for each page. On this machine a request costs nothing, so nothing is announced ahead.
  build: {
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    // The dashboard's preset loads Socket.IO only if it is used; here other systems use it anyway.
    rolldownOptions: { checks: { ineffectiveDynamicImport: false } },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/ws/": { target: system, ws: true },
      "/socket.io/": { target: system, ws: true },
      "/api/": { target: system },
      // The control process takes orders of its own site only.
      "/demo/": { target: system, changeOrigin: true, headers: { Origin: system } },
    },
  },
});
