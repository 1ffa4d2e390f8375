// Builds the application for production; a warning is an error.

import { fileURLToPath } from "node:url";

import webpack from "webpack";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

webpack(
  { mode: "production", context: here("."), entry: "./src/index.js", output: { path: here("dist"), filename: "app.js", clean: true }, experiments: { css: true }, performance: false },
  (error, stats) => {
    if (error) throw error;
    console.log(stats.toString({ all: false, errors: true, warnings: true, assets: true }));
    if (stats.hasErrors() || stats.hasWarnings()) process.exitCode = 1;
  },
);
