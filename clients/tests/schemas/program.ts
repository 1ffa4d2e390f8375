// Programs for the compiler's API, with the options of the tests.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import ts from "typescript";

export const clients: string = fileURLToPath(new URL("../../", import.meta.url));

/** The libraries and the packages' files are the same in every program of a process. */
const sources = new Map<string, ts.SourceFile | undefined>();

/** A program of these files. */
export function programOf(files: readonly string[], options: ts.CompilerOptions = {}): ts.Program {
  const config = join(clients, "tests/tsconfig.json");
  const read = ts.getParsedCommandLineOfConfigFile(config, { noEmit: true, ...options }, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: fail });
  if (!read) throw new Error(`${config} cannot be read`);
  const host = ts.createCompilerHost(read.options);
  const own = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...how) => {
    if (!sources.has(name)) sources.set(name, own(name, ...how));
    return sources.get(name);
  };
  return ts.createProgram(files, read.options, host);
}

/** What the compiler says of these files, one line for each error. */
export function errorsOf(program: ts.Program): string[] {
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const where = file ? `${file.fileName.slice(dirname(clients).length + 1)}:${file.getLineAndCharacterOfPosition(start).line + 1}: ` : "";
    return where + ts.flattenDiagnosticMessageText(messageText, "\n");
  });
}

function fail({ messageText }: ts.Diagnostic): never {
  throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"));
}
