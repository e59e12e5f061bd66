import type { PeerUser } from "./descriptors.ts";

/** Root may do everything anyway. */
const ROOT = 0;

/**
 * Whether somebody who asks may have our sockets, or order us about.
 * @param self the user that this process is
 */
export function isTrusted({ uid }: PeerUser, self: number = ourselves()): boolean {
  return uid === self || uid === ROOT;
}

/**
 * Whether sockets may be had from somebody: a process that was started as root has often become another user since, and root
 * takes what it was told to take.
 */
export function isTrustedOwner(peer: PeerUser, self: number = ourselves()): boolean {
  return self === ROOT || isTrusted(peer, self);
}

function ourselves(): number {
  return process.geteuid?.() ?? -1;
}
