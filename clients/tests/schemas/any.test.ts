// No exported type of the packages contains `any`. The compiler says what a type is, so it is found however it comes in: written, left
// out, or by a name that cannot be resolved.

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import ts from "typescript";
import { afterAll, describe, expect, it } from "vitest";

import { clients, programOf } from "./program.js";

// Inside of the workspace, so that React's types are found.
const folder = mkdtempSync(join(clients, "tests/schemas/.any-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The declarations of a package's entry points. */
function entriesOf(name: string): string[] {
  const { exports } = JSON.parse(readFileSync(join(clients, name, "package.json"), "utf8")) as { exports: Record<string, { types?: string } | string> };
  return Object.values(exports).flatMap((entry) => (typeof entry === "string" || !entry.types ? [] : expand(join(clients, name), entry.types)));
}

/** The files of a path of `exports`, which may have one star. */
function expand(root: string, path: string): string[] {
  const [before = "", after] = path.split("*");
  if (after === undefined) return [join(root, path)];
  const found = readdirSync(join(root, before)).filter((file) => file.endsWith(after));
  return found.map((file) => join(root, before, file));
}

interface Found {
  /** The types that were looked at. */
  readonly count: number;
  /** Where there is an `any`. */
  readonly any: readonly string[];
}

/** Looks at every type in the declarations that these files reach, outside of node_modules. */
function look(files: readonly string[]): Found {
  const program = programOf(files, { preserveSymlinks: false });
  const checker = program.getTypeChecker();
  const any: string[] = [];
  let count = 0;
  const missing = files.filter((file) => !program.getSourceFile(file));
  if (missing.length > 0) throw new Error(`these are not built: ${missing.join(", ")}`);
  for (const source of program.getSourceFiles()) {
    if (/[\\/]node_modules[\\/]/.test(source.fileName)) continue;
    const visit = (node: ts.Node): void => {
      if (isTyped(node)) {
        count += 1;
        if (checker.getTypeAtLocation(node).flags & ts.TypeFlags.Any) {
          const { line } = source.getLineAndCharacterOfPosition(node.getStart());
          any.push(`${source.fileName.slice(clients.length)}:${line + 1}: ${node.getText().split("\n")[0]}`);
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return { count, any };
}

/** A type, or what has one even where none is written. Declarations leave out those of private fields. */
function isTyped(node: ts.Node): boolean {
  if (ts.isPropertyDeclaration(node)) return !ts.isPrivateIdentifier(node.name) && !(ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private);
  // Only a part of a type.
  if (ts.isTemplateLiteralTypeSpan(node)) return false;
  return ts.isTypeNode(node) || ts.isParameter(node) || ts.isVariableDeclaration(node) || ts.isPropertySignature(node);
}

describe.each(["core", "react"])("the package in %s", (name) => {
  it("exports no `any`", () => {
    const { count, any } = look(entriesOf(name));
    expect(any).toEqual([]);
    expect(count).toBeGreaterThan(300);
  });
});

const FAULTS = [
  ["written", "export declare function f(x: string): any;"],
  ["in a type argument", "export declare const m: Map<string, any>;"],
  ["in an argument of a function", "export interface I { on(handler: (data: any) => void): void }"],
  ["left out", "export declare function f(x): void;"],
  ["of a property without a type", "export interface I { x }"],
  ["of a module that is not there", 'export declare const x: import("not-there").X;'],
  ["of a name that is not there", "export type T = { x: NotThere };"],
] as const;

it("finds an `any` however it comes in", () => {
  const files = FAULTS.map(([what, text]) => {
    const file = join(folder, `${what.replaceAll(" ", "-")}.d.ts`);
    writeFileSync(file, `${text}\n`);
    return file;
  });
  const { any } = look(files);
  expect(files.filter((file) => !any.some((found) => file.endsWith(found.split(":")[0] ?? "?")))).toEqual([]);
});
