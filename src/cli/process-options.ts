import { type Command, Option } from "commander";
import type { Account, ProcessSettings, Snapshot } from "../config/snapshot.ts";

/** Flags that concern the process itself. */
export interface ProcessFlags {
  daemon?: boolean;
  pidFile?: string;
  errorLog?: string;
  user?: Account;
  group?: Account;
}

/** Adds them to a command. */
export function addProcessFlags(command: Command): Command {
  return command
    .option("-d, --daemon", "run in the background, and come back once it listens")
    .option("--pid-file <file>", "a file that holds the process id while it runs")
    .option("--error-log <file>", "what happens to the proxy itself, instead of standard error")
    .addOption(
      new Option("--user <user>", "become this user once it listens, as root only").argParser(toAccount),
    )
    .addOption(new Option("--group <group>", "and of this group (default: the user's)").argParser(toAccount));
}

function toAccount(value: string): Account {
  return /^\d+$/.test(value) ? Number(value) : value;
}

const NOTHING_SPECIAL: ProcessSettings = {
  daemon: false,
  workingDirectory: null,
  umask: null,
  user: null,
  group: null,
  shutdownDelay: 0,
  upgradeSocket: null,
  health: null,
};

/** What a configuration says, where flags don't say something else. */
export function processOf(snapshot: Snapshot | null, flags: ProcessFlags): ProcessSettings {
  const settings = snapshot?.process ?? NOTHING_SPECIAL;
  // A group belongs to a user: that of another one is none of his.
  const group = flags.user === undefined ? settings.group : null;
  return { ...settings, user: flags.user ?? settings.user, group: flags.group ?? group };
}
