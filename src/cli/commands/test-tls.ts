import { ConfigError } from "../../config/config-error.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import { checkTlsFiles } from "../../control/tls-check.ts";

/** Tells of every file of TLS that can't be used. */
export async function testTls(snapshot: Snapshot, path: string): Promise<void> {
  const { problems, doubts } = await checkTlsFiles(snapshot);
  for (const doubt of doubts) process.stderr.write(`warning: ${path}: ${doubt}\n`);
  if (problems.length === 0) return;
  const place = { file: path, line: 0, column: 0, path: "" };
  throw new ConfigError(problems.map((message) => ({ ...place, message })));
}
