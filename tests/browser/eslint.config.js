// Rules for the live page's scripts and for these tests; no plugin, so the list is written out.

export const rules = {
  "array-callback-return": "error",
  "constructor-super": "error",
  curly: ["error", "multi-line"],
  "default-case-last": "error",
  eqeqeq: "error",
  "for-direction": "error",
  "getter-return": "error",
  "no-async-promise-executor": "error",
  "no-class-assign": "error",
  "no-compare-neg-zero": "error",
  "no-cond-assign": "error",
  "no-const-assign": "error",
  "no-constant-condition": ["error", { checkLoops: false }],
  "no-constructor-return": "error",
  "no-debugger": "error",
  "no-dupe-class-members": "error",
  "no-dupe-else-if": "error",
  "no-dupe-keys": "error",
  "no-duplicate-imports": "error",
  "no-empty": "error",
  "no-eval": "error",
  "no-fallthrough": "error",
  "no-func-assign": "error",
  "no-implicit-globals": "error",
  "no-implied-eval": "error",
  "no-loss-of-precision": "error",
  "no-new-func": "error",
  "no-promise-executor-return": ["error", { allowVoid: true }],
  "no-prototype-builtins": "error",
  "no-redeclare": "error",
  "no-self-assign": "error",
  "no-self-compare": "error",
  "no-shadow-restricted-names": "error",
  "no-sparse-arrays": "error",
  "no-this-before-super": "error",
  "no-throw-literal": "error",
  "no-undef": "error",
  "no-unmodified-loop-condition": "error",
  "no-unreachable": "error",
  "no-unsafe-finally": "error",
  "no-unsafe-optional-chaining": "error",
  "no-unused-private-class-members": "error",
  "no-unused-vars": "error",
  "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
  "no-useless-assignment": "error",
  "no-useless-catch": "error",
  "no-useless-escape": "error",
  "no-useless-rename": "error",
  "no-var": "error",
  "object-shorthand": "error",
  "prefer-const": "error",
  "require-atomic-updates": "off",
  "require-yield": "error",
  "use-isnan": "error",
  "valid-typeof": "error",
};

const readonly = (names) => Object.fromEntries(names.split(" ").map((name) => [name, "readonly"]));

const both = readonly(
  "console setTimeout clearTimeout setInterval clearInterval fetch URL WebSocket performance Blob Event EventTarget CustomEvent AbortSignal TextEncoder",
);
const browser = readonly(
  "document window location navigator requestAnimationFrame getSelection getComputedStyle innerWidth Option NodeFilter OffscreenCanvas addEventListener scrollTo history sessionStorage URLSearchParams CSS ResizeObserver",
);

export default [
  // Published by others, and kept as it is; generated from clients/core, and checked there.
  { ignores: ["src/http/page/vendor/**", "clients/django/src/channelgate/static/channelgate/client.js"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  { files: ["src/http/page/**/*.js"], languageOptions: { sourceType: "module", globals: { ...both, ...browser } }, rules },
  {
    files: ["clients/django/src/channelgate/static/**/*.js"],
    languageOptions: {
      sourceType: "module",
      globals: { ...both, ...browser, ...readonly("MutationObserver") },
    },
    rules,
  },
  {
    // What support/page.js and the test itself put into the page.
    files: ["tests/browser/test/client.test.js"],
    languageOptions: {
      globals: readonly("connect createClient typed wsToken node watched opened waitFor seen mine told off release leaveTwo dispatchEvent"),
    },
  },
  {
    // Functions handed to page.evaluate run in the browser, so its names are known here too.
    files: ["tests/browser/**/*.js"],
    languageOptions: { sourceType: "module", globals: { ...both, ...browser, ...readonly("process Buffer localStorage FormData PerformanceObserver") } },
    rules,
  },
];
