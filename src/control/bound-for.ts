import type { Prepared } from "./planes.ts";
import type { SocketKeeper } from "./sockets.ts";

/** Gets something ready; when it isn't run after all, what was bound for it is closed again. */
export async function boundFor(sockets: SocketKeeper, prepare: () => Promise<Prepared>): Promise<Prepared> {
  const giveBack = sockets.mark();
  try {
    const prepared = await prepare();
    return { ...prepared, abandon: () => prepared.abandon().finally(giveBack) };
  } catch (error) {
    await giveBack();
    throw error;
  }
}
