import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { loadConfig } from "../../config/load.ts";
import { diffSpecs } from "../../control/reload/diff.ts";
import type { ReloadPreview } from "../../control/reload/report.ts";
import type { RunSpec } from "../../worker/run-spec.ts";
import { UsageError } from "../errors.ts";
import {
  addClientOptions,
  type ClientContext,
  ClientFailure,
  clientAction,
  jsonLine,
} from "../steering/client-command.ts";
import { stdoutPaint } from "../steering/paint.ts";
import { previewReload } from "../steering/reload-client.ts";
import { changesText, previewText } from "../steering/reload-text.ts";
import { refused } from "./reload.ts";
import { toRunSpec } from "./serve-snapshot.ts";

interface DiffFlags {
  readonly with?: string;
}

const EXAMPLES = `
Examples:
  sluice diff                                what a reload would change now
  sluice diff next.yaml                      what it would change if the process ran this file
  sluice diff next.yaml --with sluice.yaml   between two files, without a process

Secrets are not shown. It asks the admin API of a running process: admin: in its configuration. Variables in a file that is named are
those of this command. Exit codes: 0 done, 1 failed, 2 wrong configuration.`;

/** `sluice diff`: what a reload would change. */
export function addDiff(program: Command): void {
  addClientOptions(program.command("diff"))
    .description("show what a reload would change in a running process, or between two configurations")
    .argument("[file]", "a configuration (default: the one that the process runs)")
    .option("--with <file>", "compare with this configuration instead of a running process")
    .addHelpText("after", EXAMPLES)
    .action(clientAction<DiffFlags>(diff));
}

async function diff(context: ClientContext<DiffFlags>, file: string): Promise<string> {
  const { flags } = context;
  const paint = stdoutPaint();
  if (flags.with !== undefined) {
    if (file === "") throw new UsageError("--with compares a file: name that, too");
    const changes = diffSpecs(specOf(flags.with), specOf(file));
    if (flags.json) return jsonLine({ changes });
    return changes.length === 0 ? "Nothing differs\n" : changesText(changes, paint);
  }
  try {
    const preview = await ask(context, file);
    return flags.json ? jsonLine(preview) : previewText(preview, paint);
  } catch (error) {
    return refused(error, flags.json === true);
  }
}

function ask({ client }: ClientContext<DiffFlags>, file: string): Promise<ReloadPreview> {
  if (file === "") return previewReload(client, null);
  const text = read(file);
  return previewReload(client, { file: resolve(file), text, environment: environmentFor(text) });
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ClientFailure((error as Error).message);
  }
}

/** Only those that the text names are anybody else's business. */
function environmentFor(text: string): Record<string, string> {
  const names = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name!));
  const entries = [...names].map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** As it would be run without any flags. */
function specOf(file: string): RunSpec {
  const snapshot = loadConfig(file, process.env);
  return { ...toRunSpec(snapshot, null, [], {}), seed: snapshot.chaos.seed ?? "" };
}
