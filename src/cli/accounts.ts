import type { ProcessSettings } from "../config/snapshot.ts";
import { findIdentity, type Identity } from "../control/daemon/accounts.ts";
import { UsageError } from "./errors.ts";

/** Who the process is to become; null: it stays who started it. @throws UsageError when there is no such user or group */
export function identityOf({ user, group }: ProcessSettings): Identity | null {
  if (user === null && group === null) return null;
  try {
    return findIdentity(user ?? process.getuid?.() ?? 0, group);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
