import { existsSync } from "node:fs";

/** Node features that Sluice stands on and that still announce themselves; every other warning is shown. */
const expectedWarnings = /^(FFI|Type Stripping|SQLite) is an experimental feature/;

/** A checkout runs its sources; a published package has only dist/. */
function mainModule() {
  const source = new URL("../src/cli/main.ts", import.meta.url);
  return existsSync(source) ? source : new URL("../dist/cli/main.js", import.meta.url);
}

function hideExpectedWarnings() {
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    if (typeof warning === "string" && expectedWarnings.test(warning)) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
}

hideExpectedWarnings();
const { main } = await import(mainModule().href);
await main(process.argv);
