import { createServer, type Server, type Socket } from "node:net";
import { Channel } from "./channel.ts";
import type { Message } from "./frames.ts";
import { isTrusted } from "./trust.ts";
import type { Upgrader } from "./upgrader.ts";

/** Milliseconds to say what is wanted. */
const LONGEST_SILENCE = 5_000;

/** Where to listen: a descriptor that is bound already, or a path. */
export type UpgradeSocketPlace = { readonly fd: number } | { readonly path: string };

/** The name by which the process with this id is found on Linux; no file, so that none is left behind. */
export function privateSocketOf(pid: number): string {
  return `\0sluice-upgrade-${pid}`;
}

/**
 * Where a successor introduces itself, and where it is asked for an upgrade: `sluice upgrade` does. Whoever is neither our user
 * nor root isn't heard.
 */
export class UpgradeSocket {
  readonly #server: Server;
  readonly #upgrader: Upgrader;

  private constructor(server: Server, upgrader: Upgrader) {
    this.#server = server;
    this.#upgrader = upgrader;
    server.on("connection", (socket: Socket) => void this.#hear(new Channel(socket)));
  }

  /** Rejects when it can't listen there. */
  static async open(place: UpgradeSocketPlace, upgrader: Upgrader): Promise<UpgradeSocket> {
    const server = createServer();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(place, resolve);
    await promise;
    server.off("error", reject);
    return new UpgradeSocket(server, upgrader);
  }

  /** Listens no more; whoever is connected stays. */
  close(): void {
    this.#server.close();
  }

  async #hear(channel: Channel): Promise<void> {
    const late = setTimeout(() => channel.close(), LONGEST_SILENCE);
    try {
      if (isTrusted(channel.peer)) await this.#answer(channel, await channel.receive());
      else refuse(channel, "this process belongs to another user");
    } catch {
      // It said nothing that can be understood, or is gone: there is nobody to tell.
      channel.close();
    } finally {
      clearTimeout(late);
    }
  }

  async #answer(channel: Channel, message: Message): Promise<void> {
    if (message.type === "hello") this.#upgrader.welcome(channel, message);
    else if (message.type === "upgrade") void this.#upgrade(channel, message);
    else refuse(channel, `nobody knows what ${message.type} means`);
  }

  async #upgrade(channel: Channel, { timeout }: Message): Promise<void> {
    const onProgress = (text: string): void => channel.send({ type: "progress", text });
    try {
      const pid = await this.#upgrader.start(typeof timeout === "number" ? timeout : 0, onProgress);
      channel.send({ type: "upgraded", pid });
    } catch (error) {
      channel.send({ type: "refused", message: (error as Error).message });
    }
    channel.close();
  }
}

function refuse(channel: Channel, reason: string): void {
  channel.send({ type: "refused", message: reason });
  channel.close();
}
