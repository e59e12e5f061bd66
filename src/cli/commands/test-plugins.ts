import { ConfigError } from "../../config/config-error.ts";
import type { Snapshot } from "../../config/snapshot.ts";
import { checkPlugins } from "../../control/plugin-check.ts";

/** Tells of every plugin that can't be used. */
export async function testPlugins(snapshot: Snapshot, path: string): Promise<void> {
  const problems = await checkPlugins(snapshot);
  if (problems.length === 0) return;
  const place = { file: path, line: 0, column: 0, path: "" };
  throw new ConfigError(problems.map((message) => ({ ...place, message })));
}
