import { answerHealth } from "../admin/health/health-api.ts";
import { AdminServer } from "../admin/http/admin-server.ts";
import type { Health } from "../control/health.ts";
import type { Mounted } from "../control/reload/mount.ts";
import type { Running } from "../control/running.ts";
import { mountServer } from "./mount-server.ts";

/** What answers orchestrators, while it is mounted. */
export type MountedHealth = Mounted;

/** Whose its socket is. */
const OWNER = "health";

/** Answers how the process is, and nothing else, on an address of its own. Rejects when it can't be listened on. */
export async function mountHealth(address: string, health: Health, running: Running): Promise<MountedHealth> {
  const server = new AdminServer({
    port: 0,
    handlers: [],
    openHandlers: [(request) => answerHealth(health, request)],
  });
  return await mountServer(server, address, OWNER, running);
}
