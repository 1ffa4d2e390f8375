// The rules of the browser tests, applied to Node.

import { rules } from "../browser/eslint.config.js";

const names = ["process", "Buffer", "console", "setTimeout", "clearTimeout", "fetch"];

export default [
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.js"],
    languageOptions: { sourceType: "module", globals: Object.fromEntries(names.map((name) => [name, "readonly"])) },
    rules,
  },
];
