import ffi from "node:ffi";
import type { Account } from "../../config/snapshot.ts";

/** Who a process is to become. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Null for a number that has no name. */
  readonly name: string | null;
}

/** A user, or a group that isn't there. */
export class UnknownAccountError extends Error {
  override name = "UnknownAccountError";
}

/**
 * Finds a user and a group as the system knows them, from whatever directory it has them.
 * @param group null: the user's own
 * @throws UnknownAccountError when there is none
 */
export function findIdentity(user: Account, group: Account | null): Identity {
  const found = findUser(user);
  if (found === null && typeof user === "string") throw new UnknownAccountError(`There is no user ${user}`);
  const gid = group === null ? found?.gid : findGroup(group);
  if (gid === undefined) {
    throw new UnknownAccountError(
      group === null
        ? `User ${user} has no name, and so no group of his own: one has to be named`
        : `There is no group ${group}`,
    );
  }
  return { uid: found?.uid ?? Number(user), gid, name: found?.name ?? null };
}

/** A group by its name or number; undefined when there is none of that name. */
function findGroup(group: Account): number | undefined {
  if (typeof group === "number") return group;
  const record = libc().getgrnam(cString(group));
  return record === 0n ? undefined : ffi.getUint32(record, ID);
}

/* The fields of passwd(5) and group(5) begin the same everywhere: name, password, number, and of users the group. */
const NAME = 0;
const ID = 16;
const GROUP_OF_USER = 20;

function findUser(user: Account): Identity | null {
  const record = typeof user === "number" ? libc().getpwuid(user) : libc().getpwnam(cString(user));
  if (record === 0n) return null;
  return {
    uid: ffi.getUint32(record, ID),
    gid: ffi.getUint32(record, GROUP_OF_USER),
    name: ffi.toString(ffi.getUint64(record, NAME)),
  };
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

interface Libc {
  getpwnam(name: Uint8Array): bigint;
  getpwuid(uid: number): bigint;
  getgrnam(name: Uint8Array): bigint;
}

let loaded: Libc | null = null;

function libc(): Libc {
  loaded ??= ffi.dlopen(null, {
    getpwnam: { arguments: ["pointer"], return: "pointer" },
    getpwuid: { arguments: ["u32"], return: "pointer" },
    getgrnam: { arguments: ["pointer"], return: "pointer" },
  }).functions as unknown as Libc;
  return loaded;
}
