import { closeSync } from "node:fs";
import type { HandedSockets } from "../upgrade/inherited-sockets.ts";
import { inspectSocket } from "./socket-address.ts";

/** The first one: sd_listen_fds(3). */
const FIRST_DESCRIPTOR = 3;

/** What the service manager left to this process. */
export interface Activation {
  readonly sockets: readonly HandedSockets[];
  /** What of it nobody can listen on, for people; it is closed, unless it is another process's. */
  readonly refused: readonly string[];
}

/**
 * The sockets that the service manager has bound for this process: `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`, which are
 * taken out of the environment. Programs that are started from here get none of the sockets.
 */
export function takeActivation(environment: NodeJS.ProcessEnv, pid: number): Activation {
  const { LISTEN_FDS: count, LISTEN_PID: whose, LISTEN_FDNAMES: named = "" } = environment;
  for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete environment[name];
  if (!(Number(count) > 0)) return { sockets: [], refused: [] };
  // Which descriptors these are here, if any, nobody can tell.
  if (Number(whose) !== pid) return { sockets: [], refused: [`all of them: ${meantFor(whose, pid)}`] };
  const names = named.split(":");
  const sockets: HandedSockets[] = [];
  const refused: string[] = [];
  for (let i = 0; i < Number(count); i++) {
    const descriptor = FIRST_DESCRIPTOR + i;
    const name = names[i] || `descriptor ${descriptor}`;
    try {
      const { address, isStream, isConnected } = inspectSocket(descriptor);
      if (!isStream) throw new Error("only streams can be listened on");
      if (isConnected) throw new Error("it is a connection and can't be listened on: Accept=no is needed");
      sockets.push({ owner: `systemd ${name}`, address, descriptors: [descriptor], isForeign: true });
    } catch (error) {
      refused.push(`${name}: ${(error as Error).message}`);
      closeSilently(descriptor);
    }
  }
  return { sockets, refused };
}

function meantFor(whose: string | undefined, pid: number): string {
  return `they are for process ${whose ?? "?"} and not for this one, ${pid}: nothing may stand between (npm, a shell, -d)`;
}

function closeSilently(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // It never was one.
  }
}
