// Builds the page of these tests with a version of React, for development or for production.

import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const clients = (path: string): string => fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

export interface Variant {
  readonly react: 18 | 19;
  readonly production: boolean;
}

const bundles = new Map<string, Promise<string>>();

export function bundle({ react, production }: Variant): Promise<string> {
  const name = `${react} ${production}`;
  const known = bundles.get(name) ?? make({ react, production });
  bundles.set(name, known);
  return known;
}

async function make({ react, production }: Variant): Promise<string> {
  const modules = clients(react === 18 ? "tests/react18/node_modules" : "node_modules");
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("app.tsx", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    jsx: "automatic",
    jsxDev: !production,
    minify: production,
    define: { "process.env.NODE_ENV": JSON.stringify(production ? "production" : "development") },
    alias: {
      "@channelgate/client": clients("core/src/index.ts"),
      "@channelgate/react": clients("react/src/index.ts"),
      react: `${modules}/react`,
      "react-dom": `${modules}/react-dom`,
    },
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}
