// What the tests take from Vite.

declare module "*.css";

interface ImportMeta {
  readonly env: Readonly<Record<string, string | undefined>>;
}
