import { Channel } from "./channel.ts";
import { connectTo } from "./connect-to.ts";
import { expect } from "./manners.ts";
import { type ExpectedOwner, isTrustedOwner } from "./trust.ts";
import type { OnProgress } from "./upgrader.ts";

/**
 * Asks the process that listens at `path` to have itself succeeded; resolves with the process id of the one that has its place.
 * Rejects in that process's words, which goes on then, or with why it couldn't be asked.
 * @param timeout milliseconds for the new one to get ready
 * @param expected who should listen there
 */
export async function askForUpgrade(
  path: string,
  timeout: number,
  onProgress: OnProgress,
  expected: ExpectedOwner = { pid: null, uid: null },
): Promise<number> {
  const channel = new Channel(await connectTo(path));
  try {
    const { peer } = channel;
    if (expected.pid !== null && peer.pid !== expected.pid)
      throw new Error(`process ${peer.pid} listens there, and not process ${expected.pid}`);
    if (!isTrustedOwner(peer, expected))
      throw new Error(`it belongs to user ${peer.uid}, of whom nothing is known here`);
    channel.send({ type: "upgrade", timeout });
    for (;;) {
      const message = await channel.receive();
      if (message.type === "progress") onProgress(String(message["text"]));
      else return Number(expect(message, "upgraded")["pid"]);
    }
  } finally {
    channel.close();
  }
}
