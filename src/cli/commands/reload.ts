import type { Command } from "commander";
import { ConfigError } from "../../config/config-error.ts";
import { Exit } from "../errors.ts";
import { readPid, toPid } from "../pid.ts";
import { ApiError } from "../steering/api-client.ts";
import {
  addClientOptions,
  type ClientContext,
  ClientFailure,
  clientAction,
  jsonLine,
} from "../steering/client-command.ts";
import { stdoutPaint } from "../steering/paint.ts";
import { problemsOf, reload } from "../steering/reload-client.ts";
import { reportText } from "../steering/reload-text.ts";

interface ReloadFlags {
  readonly pid?: number;
  readonly pidFile?: string;
}

const EXAMPLES = `
Examples:
  sluice reload
  sluice reload --host http://10.0.0.5:8474 --token secret
  sluice reload --pid-file /run/sluice.pid   by SIGHUP: what comes of it stands in the process's log

It asks the admin API of a running process (admin: in its configuration), which reads its configuration, its program and all they name
anew. When something is wrong nothing changes, and it is told here with its place. Exit codes: 0 done, 1 failed, 2 wrong
configuration.`;

/** `sluice reload`: a running process runs what its files hold by now. */
export function addReload(program: Command): void {
  addClientOptions(program.command("reload"))
    .description("have a running process run what its configuration and its program are by now")
    .option("--pid <n>", "the number of the running process, to be told by a signal", toPid)
    .option("--pid-file <file>", "a file that holds it")
    .addHelpText("after", EXAMPLES)
    .action(clientAction<ReloadFlags>(act));
}

/** `sluice rollback`: a running process runs what it ran before. */
export function addRollback(program: Command): void {
  addClientOptions(program.command("rollback"))
    .description("have a running process run its last good configuration before this one again")
    .action(clientAction((context) => change(context, "rollback")));
}

async function act(context: ClientContext<ReloadFlags>): Promise<string> {
  const { pid, pidFile, json } = context.flags;
  const number = pidFile === undefined ? pid : readPid(pidFile);
  if (number === undefined) return await change(context, "reload");
  try {
    process.kill(number, "SIGHUP");
  } catch (error) {
    throw new ClientFailure(`Process ${number} can't be told: ${(error as Error).message}`);
  }
  if (json) return jsonLine({ event: "told", pid: number });
  return `Process ${number} was told to reload: what comes of it stands in its log\n`;
}

async function change<F>({ client, flags }: ClientContext<F>, what: "reload" | "rollback"): Promise<string> {
  try {
    const report = await reload(client, what);
    return flags.json ? jsonLine(report) : reportText(report, stdoutPaint());
  } catch (error) {
    return refused(error, flags.json === true);
  }
}

/** What is to be printed. @throws what is wrong, in the words of whoever refused it */
export function refused(error: unknown, json: boolean): string {
  if (!(error instanceof ApiError)) throw error;
  const problems = problemsOf(error);
  if (json && error.status !== 0) {
    process.exitCode = problems.length > 0 ? Exit.Usage : Exit.Failed;
    return jsonLine(error.details ?? { error: error.message });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  throw new ClientFailure(error.message, { cause: error });
}
