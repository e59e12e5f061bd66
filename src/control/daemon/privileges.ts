import {
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
} from "node:fs";
import type { Identity } from "./accounts.ts";

/**
 * Gives up being root for good, in all threads: the C library has each of them do it. What the process will write to later
 * becomes the new user's first. Nothing is done where the process is that user already.
 * @param files what it has made or opened as root and will touch again: logs, its number, sockets, folders; others are left alone
 * @throws Error when it can't be done, or could be undone
 */
export function becomeUser(identity: Identity, files: readonly string[]): void {
  const { uid, gid, name } = identity;
  const own = [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.()];
  // Whoever is it in name alone, by a file with the bit for that, isn't yet.
  if (own.every((id, i) => id === (i < 2 ? uid : gid))) return;
  const who = name ?? `number ${uid}`;
  if (process.geteuid?.() !== 0)
    throw new Error(
      `Only root can become user ${who} of group ${gid}: this is user ${process.getuid?.()} of group ${process.getgid?.()}`,
    );
  for (const file of files) giveAway(file, identity);
  if (name === null) process.setgroups!([gid]);
  else (process as unknown as GroupStarter).initgroups(name, gid);
  process.setgid!(gid);
  process.setuid!(uid);
  const left = rightsLeft(identity);
  if (left !== null) throw new Error(`This process can't become user ${who} for good: ${left}`);
}

/** What Node's types leave out. */
interface GroupStarter {
  initgroups(user: string, extraGroup: number): void;
}

/**
 * Nothing that is only called like a file of ours: whoever could put a link in its place would be given what it leads to.
 */
function giveAway(file: string, { uid, gid }: Identity): void {
  const found = lstatSync(file, { throwIfNoEntry: false });
  const isPlain = found?.isFile() === true;
  if (found === undefined || !(isPlain || found.isSocket() || found.isDirectory())) return;
  if (!isPlain && process.platform !== "linux") {
    lchownSync(file, uid, gid);
    return;
  }
  const how = isPlain ? constants.O_RDONLY | constants.O_NONBLOCK : TO_HOLD;
  const descriptor = openSync(file, how | constants.O_NOFOLLOW);
  try {
    const { nlink, ino, dev } = fstatSync(descriptor);
    if (ino !== found.ino || dev !== found.dev || (nlink !== 1 && !found.isDirectory())) return;
    if (isPlain) fchownSync(descriptor, uid, gid);
    // By its descriptor, too: what is only held can be changed by this name of it alone.
    else chownSync(`/proc/self/fd/${descriptor}`, uid, gid);
  } finally {
    closeSync(descriptor);
  }
}

/** `O_PATH` of open(2) on Linux, for what can't be opened: its name may come to mean something else meanwhile, the descriptor can't. */
const TO_HOLD = 0o10000000;

/** What there is of former rights; null for nothing. */
function rightsLeft({ uid, gid }: Identity): string | null {
  if (process.getgid?.() !== gid || process.getegid?.() !== gid) return "it is still of another group";
  if (uid === 0) return null;
  for (const thread of threadsOf()) {
    const left = leftOfThread(thread, uid, gid);
    if (left !== null) return left;
  }
  try {
    process.setuid!(0);
  } catch {
    return null;
  }
  return "it could become root again";
}

/** Where the system tells of threads. */
const TASKS = "/proc/self/task";

function threadsOf(): readonly string[] {
  return process.platform === "linux" ? readdirSync(TASKS) : [];
}

function leftOfThread(thread: string, uid: number, gid: number): string | null {
  let status: string;
  try {
    status = readFileSync(`${TASKS}/${thread}/status`, "latin1");
  } catch {
    // It has ended meanwhile.
    return null;
  }
  const field = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "";
  const isAll = (numbers: string, id: number): boolean => numbers.split(/\s+/).every((n) => Number(n) === id);
  if (!isAll(field("Uid"), uid) || !isAll(field("Gid"), gid))
    return "one of its threads is still another user";
  // What is permitted could be had again.
  return /[1-9a-f]/.test(field("CapPrm")) ? "it still has capabilities" : null;
}
