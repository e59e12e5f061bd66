import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";

/** Numbers of a user and a group. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
}

const KEY = "sluice.future-user";

/**
 * Says who this process is going to be once it listens. What is started before, as root, wouldn't become that user with it, and would
 * stay root for good. To be called before there are threads: they know it, too.
 */
export function setFutureUser({ uid, gid }: ProcessUser): void {
  setEnvironmentData(KEY, { uid, gid });
}

/** Who a process that is started now has to be; nobody in particular when this one is who it will be. */
export function futureUser(): ProcessUser | Record<string, never> {
  if (process.geteuid?.() !== 0) return {};
  return (getEnvironmentData(KEY) ?? {}) as ProcessUser | Record<string, never>;
}
