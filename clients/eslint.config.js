// Rules for the client packages and their tests.

import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import typescript from "typescript-eslint";

export default defineConfig(
  { ignores: ["**/dist/**", "**/node_modules/**", "**/.next/**", "**/.snippets-*/**", "django/**", "**/*.generated.*"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  ...typescript.configs.recommended,
  ...typescript.configs.stylistic,
  { files: ["**/*.{ts,tsx}"], ...hooks.configs.flat["recommended-latest"] },
  // Components of tests record what happens to them, and stand-ins do nothing.
  { files: ["**/tests/**/*.{ts,tsx}"], rules: { "react-hooks/globals": "off", "@typescript-eslint/no-empty-function": "off" } },
  {
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-eval": "error",
      "no-shadow-restricted-names": "error",
      "object-shorthand": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-definitions": "off",
    },
  },
);
