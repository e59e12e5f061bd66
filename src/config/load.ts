import type { Purpose } from "./checks.ts";
import { ConfigError } from "./config-error.ts";
import type { Environment } from "./environment.ts";
import { readText } from "./read-text.ts";
import type { Snapshot } from "./snapshot.ts";
import { SourceDocument } from "./source-document.ts";
import { toSnapshot } from "./to-snapshot.ts";

/** A configuration that stands in no file of this process, or not yet. */
export interface ConfigText {
  readonly text: string;
  /** What problems are reported with; files that the text names are looked for beside it. */
  readonly file: string;
  /** What its variables stand for. */
  readonly environment: Environment;
}

/**
 * Reads a configuration file.
 * @param purpose `program`: it only has settings for a program, which brings its own routes
 * @throws ConfigError with everything that is wrong
 */
export function loadConfig(path: string, env: Environment, purpose: Purpose = "proxy"): Snapshot {
  return parseConfig(readText(path), path, env, purpose);
}

/**
 * Reads a configuration from its text.
 * @param fileName what problems are reported with
 * @throws ConfigError with everything that is wrong
 */
export function parseConfig(
  text: string,
  fileName: string,
  env: Environment,
  purpose: Purpose = "proxy",
): Snapshot {
  const source = new SourceDocument(text, fileName, env);
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  return toSnapshot(source.toValue(), source, purpose);
}
