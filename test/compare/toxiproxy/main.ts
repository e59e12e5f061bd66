// Sends the same requests to the original Toxiproxy server and to ours, and tells where the answers differ:
//   npm run compare:toxiproxy
//
// The original is looked for in bench/.cache, as toxiproxy-server and toxiproxy-cli; with --server and --cli elsewhere.
// Its client for Go is built with `go`, or with what --go names; without either it is left out.
// Exits with 1 when there is a difference that known-differences.ts doesn't explain.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compareAnswers } from "./answers.ts";
import { compareCommandLines } from "./command-lines.ts";
import { compareGoClient } from "./go-client.ts";

const cache = join(import.meta.dirname, "..", "..", "..", "bench", ".cache");
const { values } = parseArgs({
  options: {
    server: { type: "string", default: join(cache, "toxiproxy-server") },
    cli: { type: "string", default: join(cache, "toxiproxy-cli") },
    go: { type: "string", default: "go" },
  },
});

function requireProgram(path: string): void {
  if (existsSync(path)) return;
  process.stderr.write(`${path} isn't there: docs/toxiproxy.md says how to get the original\n`);
  process.exit(2);
}

const { server, cli, go } = values;
for (const path of [server, cli]) requireProgram(path);
const comparisons = [
  await compareAnswers(server),
  await compareCommandLines(server, cli),
  await compareGoClient(server, go),
];
process.stdout.write(comparisons.map(({ text }) => text).join("\n"));
process.exit(comparisons.every(({ unexplained }) => unexplained === 0) ? 0 : 1);
