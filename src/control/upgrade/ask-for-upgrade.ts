import { Channel } from "./channel.ts";
import { connectTo } from "./connect-to.ts";
import { expect } from "./manners.ts";
import { isTrustedOwner } from "./trust.ts";
import type { OnProgress } from "./upgrader.ts";

/**
 * Asks the process that listens at `path` to have itself succeeded; resolves with the process id of the one that has its place.
 * Rejects in that process's words, which goes on then, or with why it couldn't be asked.
 * @param timeout milliseconds for the new one to get ready
 */
export async function askForUpgrade(path: string, timeout: number, onProgress: OnProgress): Promise<number> {
  const channel = new Channel(await connectTo(path));
  try {
    if (!isTrustedOwner(channel.peer)) throw new Error("it belongs to another user");
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
