// Sends the same requests to the original Toxiproxy server and to ours, and tells where the answers differ:
//   npm run compare:toxiproxy
//
// The original is looked for in bench/.cache, as toxiproxy-server and toxiproxy-cli; with --server and --cli elsewhere.
// Exits with 1 when there is a difference that known-differences.ts doesn't explain.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compareAnswers } from "./answers.ts";
import { compareCommandLines } from "./command-lines.ts";

const cache = join(import.meta.dirname, "..", "..", "..", "bench", ".cache");
const { values } = parseArgs({
  options: {
    server: { type: "string", default: join(cache, "toxiproxy-server") },
    cli: { type: "string", default: join(cache, "toxiproxy-cli") },
  },
});

function requireProgram(path: string): void {
  if (existsSync(path)) return;
  process.stderr.write(`${path} isn't there: docs/toxiproxy.md says how to get the original\n`);
  process.exit(2);
}

for (const path of Object.values(values)) requireProgram(path);
const answers = await compareAnswers(values.server);
const lines = await compareCommandLines(values.server, values.cli);
process.stdout.write(`${answers.text}\n${lines.text}`);
process.exit(answers.unexplained + lines.unexplained === 0 ? 0 : 1);
