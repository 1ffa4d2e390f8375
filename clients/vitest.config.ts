// Tests of the client packages: the core in Node, React in Chromium with both of its versions.
// Everything runs from the sources; tests/packed tries the packages as they are published. tests/real has real nodes.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

import { devtools, rig } from "./tests/real/support/server.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** CHROMIUM_BIN, or the first Chromium that is found. */
const chromium =
  process.env["CHROMIUM_BIN"] ??
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

const provider = playwright({
  launchOptions: {
    ...(chromium === undefined ? {} : { executablePath: chromium }),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  },
});

/** The packages, from their sources. */
const packages = [
  { find: /^@channelgate\/client$/, replacement: here("core/src/index.ts") },
  { find: /^@channelgate\/client\/(.+)$/, replacement: here("core/src/$1.ts") },
  { find: /^@channelgate\/react$/, replacement: here("react/src/index.ts") },
  { find: /^@channelgate\/react\/(dashboard|tracker|feed|repair-shop|parking|components)$/, replacement: here("react/src/$1/index.ts") },
  { find: /^@channelgate\/react\/styles\.css$/, replacement: here("react/styles.css") },
  { find: /^@channelgate\/react\/(.+)$/, replacement: here("react/src/$1") },
];

const react18 = [
  { find: /^react($|\/)/, replacement: `${here("tests/react18/node_modules/react")}$1` },
  { find: /^react-dom($|\/)/, replacement: `${here("tests/react18/node_modules/react-dom")}$1` },
];

/** On a busy machine a page may need a while. */
const patient = { expect: { poll: { timeout: 20_000 } }, testTimeout: 120_000, hookTimeout: 120_000 };

/** Tests in Node run first, those in browsers afterwards: the processors are two. */
const node = (name: string, include: string, more: { globalSetup?: string[] } = {}) => ({
  resolve: { alias: packages },
  test: { ...patient, ...more, name, include: [include], environment: "node" as const, sequence: { groupOrder: 1 } },
});

const react = (version: 18 | 19) => ({
  // In the workspace's folder "react" would be the folder of that name.
  root: here("react"),
  resolve: { alias: version === 18 ? [...packages, ...react18] : packages },
  optimizeDeps: {
    include: ["react", "react/jsx-runtime", "react/jsx-dev-runtime", "react-dom", "react-dom/client", "socket.io-client", "axe-core"],
  },
  cacheDir: here(`node_modules/.vite/react${version}`),
  test: {
    ...patient,
    name: `react${version}`,
    include: ["tests/**/*.test.tsx"],
    sequence: { groupOrder: 2 },
    // One page per project: all four run beside each other.
    fileParallelism: false,
    browser: { enabled: true, headless: true, screenshotFailures: false, provider, instances: [{ browser: "chromium" as const }] },
  },
});

/** Tests in Chromium with real nodes, Redis and channels_redis; those without React run once. */
const real = (version: 18 | 19) => ({
  ...react(version),
  root: here("tests/real"),
  cacheDir: here(`node_modules/.vite/real${version}`),
  test: {
    ...react(version).test,
    name: `real${version}`,
    include: version === 19 ? ["*.test.ts", "*.test.tsx"] : ["*.test.tsx"],
    browser: { ...react(version).test.browser, commands: { rig, devtools } },
  },
});

export default defineConfig({
  test: {
    // Tests with real nodes mostly wait.
    maxWorkers: 4,
    projects: [
      node("core", "core/tests/**/*.test.ts"),
      node("demo", "demo/tests/*.test.ts"),
      node("schemas", "tests/{schemas,vectors}/*.test.ts"),
      node("documents", "tests/documents/*.test.ts"),
      node("packed", "tests/packed/*.test.ts", { globalSetup: ["tests/packed/support/setup.ts"] }),
      node("pages", "tests/real/pages/*.test.ts"),
      react(19),
      react(18),
      real(19),
      real(18),
    ],
  },
});
