import type { AdminServer } from "../admin/http/admin-server.ts";
import type { Mounted } from "../control/reload/mount.ts";
import type { Running } from "../control/running.ts";

/**
 * Has a server of the process itself listen on a socket that a successor can have. Rejects when it can't be listened on.
 * @param owner whose socket it is
 */
export async function mountServer(
  server: AdminServer,
  address: string,
  owner: string,
  running: Pick<Running, "lend" | "giveBack">,
): Promise<Mounted> {
  const { fds, boundTo } = await running.lend(address, owner);
  return {
    address: await server.listen(fds),
    close: () => server.close(0),
    retire: async () => {
      await server.close();
      await running.giveBack(owner, boundTo);
    },
  };
}
