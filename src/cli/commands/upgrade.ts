import type { Command } from "commander";
import { loadConfig } from "../../config/load.ts";
import { askForUpgrade } from "../../control/upgrade/ask-for-upgrade.ts";
import type { ExpectedOwner } from "../../control/upgrade/trust.ts";
import { privateSocketOf } from "../../control/upgrade/upgrade-socket.ts";
import { DEFAULT_UPGRADE_TIMEOUT, type OnProgress } from "../../control/upgrade/upgrader.ts";
import { identityOf } from "../accounts.ts";
import { UsageError } from "../errors.ts";
import { seconds } from "../options.ts";
import { readPid, toPid } from "../pid.ts";
import {
  addClientOptions,
  type ClientContext,
  ClientFailure,
  clientAction,
  jsonLine,
} from "../steering/client-command.ts";
import { upgradeByApi } from "../steering/upgrade-client.ts";

interface UpgradeFlags {
  readonly pid?: number;
  readonly pidFile?: string;
  readonly config?: string;
  readonly timeout?: number;
}

const EXAMPLES = `
Examples:
  sluice upgrade -c sluice.yaml              the process that its pid_file or its upgrade_sock leads to
  sluice upgrade --pid-file /run/sluice.pid
  sluice upgrade --host http://localhost:8474
                                             the process behind this admin API

The process tests what it would run now (run -t), starts it on its own sockets, and ends when the new process has taken its place and
all that was under way is done. When the new one isn't ready in time, nothing changes.`;

/** `sluice upgrade`: another process takes the place of the one that runs. */
export function addUpgrade(program: Command): void {
  addClientOptions(program.command("upgrade"))
    .description("let a new process take the place of a running one, on the same sockets")
    .option("--pid <n>", "the number of the running process", toPid)
    .option("--pid-file <file>", "a file that holds it")
    .option("-c, --config <file>", "a configuration whose pid_file or upgrade_sock leads to it")
    .option(
      "--timeout <seconds>",
      `for the new process to get ready (default: ${DEFAULT_UPGRADE_TIMEOUT / 1_000})`,
      seconds,
    )
    .addHelpText("after", EXAMPLES)
    .action(clientAction<UpgradeFlags>(upgrade));
}

async function upgrade({ client, flags }: ClientContext<UpgradeFlags>): Promise<string> {
  const { json = false, timeout = DEFAULT_UPGRADE_TIMEOUT / 1_000 } = flags;
  const tell: OnProgress = (text) => {
    process.stdout.write(json ? jsonLine({ event: "progress", text }) : `${text}\n`);
  };
  const place = placeOf(flags);
  try {
    const pid = await (place === null
      ? upgradeByApi(client, timeout, tell)
      : askForUpgrade(place.path, timeout * 1_000, tell, place));
    return json ? jsonLine({ event: "upgraded", pid }) : `Process ${pid} has taken the place\n`;
  } catch (error) {
    throw new ClientFailure(explain(error as NodeJS.ErrnoException), { cause: error });
  }
}

/** A socket, and who should listen there. */
interface AskedPlace extends ExpectedOwner {
  readonly path: string;
}

/** Where the process is asked; null: by its API. */
function placeOf({ pid, pidFile, config }: UpgradeFlags): AskedPlace | null {
  if (pid !== undefined) return placeOfProcess(pid);
  if (pidFile !== undefined) return placeOfProcess(readPid(pidFile));
  if (config === undefined) return null;
  const snapshot = loadConfig(config, process.env);
  const { upgradeSocket } = snapshot.process;
  if (upgradeSocket !== null)
    return { path: upgradeSocket, pid: null, uid: identityOf(snapshot.process)?.uid ?? null };
  if (snapshot.pidFile !== null) return placeOfProcess(readPid(snapshot.pidFile));
  throw new UsageError(`${config} has neither pid_file nor upgrade_sock: name the process by --pid`);
}

function placeOfProcess(pid: number): AskedPlace {
  return { path: privateSocketOf(pid), pid, uid: null };
}

/** Sockets that nobody listens on: there is no such process, or none that can be asked. */
const NOBODY: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOENT"]);

function explain({ code = "", message }: NodeJS.ErrnoException): string {
  return NOBODY.has(code) ? "No running process of Sluice can be asked there for an upgrade" : message;
}
