import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { withFutureOutput } from "./future-output.ts";
import { futureUser } from "./future-user.ts";

/** In a checkout the sources run; a published package has only JavaScript. */
export const ENTRY: URL = new URL(
  import.meta.url.endsWith(".ts") ? "./plugin-process.ts" : "./plugin-process.js",
  import.meta.url,
);

/** The place of the pipe among what the process begins with. */
export const PLUGIN_PIPE = 3;
/** What belongs to the process that started this one, and not to others of its. */
const OWN_VARIABLES = [
  ...["NODE_OPTIONS", "NODE_CHANNEL_FD", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"],
  ...["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"],
];

/** Starts a process for a plugin, which waits to be told what to run. */
export function spawnPluginProcess(): ChildProcess {
  const env = { ...process.env };
  for (const name of OWN_VARIABLES) delete env[name];
  return withFutureOutput(([stdout, stderr]) => {
    const stdio: StdioOptions = ["ignore", stdout, stderr, "pipe"];
    return spawn(process.execPath, [fileURLToPath(ENTRY)], { env, stdio, ...futureUser() });
  });
}
