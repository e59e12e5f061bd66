import { readFileSync } from "node:fs";
import type { PeerUser } from "./descriptors.ts";

/** Root may do everything anyway. */
const ROOT = 0;
/** What the kernel calls users that a namespace has no number for; outside of namespaces it is `nobody`. */
const NAMELESS = 65_534;

/**
 * Whether somebody who asks may have our sockets, or order us about.
 * @param self the user that this process is
 * @param isForAll every user has a number of his own here
 */
export function isTrusted(
  { uid }: PeerUser,
  self: number = ourselves(),
  isForAll: () => boolean = hasAllUsers,
): boolean {
  return uid === ROOT || (uid === self && (uid !== NAMELESS || isForAll()));
}

/** Who should be found where somebody has sockets to give away. */
export interface ExpectedOwner {
  /** The number of the process; null: it isn't known. */
  readonly pid: number | null;
  /** The user that such a process becomes who was root once; null: none. */
  readonly uid: number | null;
}

/**
 * Whether sockets may be had from somebody. Root goes where he was told to, and whoever came first may listen there: it has to
 * be somebody he knows of.
 */
export function isTrustedOwner(
  peer: PeerUser,
  { pid, uid }: ExpectedOwner,
  self: number = ourselves(),
): boolean {
  return isTrusted(peer, self) || (self === ROOT && (peer.uid === uid || peer.pid === pid));
}

function ourselves(): number {
  return process.geteuid?.() ?? -1;
}

/** Outside of user namespaces all numbers stand for themselves: user_namespaces(7). */
function hasAllUsers(): boolean {
  try {
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "latin1"));
  } catch {
    // A kernel without namespaces.
    return true;
  }
}
