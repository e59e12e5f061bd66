import type { Channel } from "./channel.ts";
import { type Estate, toEstateMessage } from "./estate.ts";
import type { Message } from "./frames.ts";
import { expect, type Introduction, PROTOCOL } from "./manners.ts";

/** The process that takes this one's place, seen from here: the other end of what `Predecessor` draws. */
export class Successor {
  /** Its process id. */
  readonly pid: number;
  readonly #channel: Channel;

  private constructor(channel: Channel, pid: number) {
    this.#channel = channel;
    this.pid = pid;
  }

  /** Hears who is there. Rejects when it says something else than hello, or can't be understood. */
  static async meet(channel: Channel): Promise<Successor> {
    return Successor.greet(channel, await channel.receive());
  }

  /** @throws Error, told the other one too, when `hello` is none */
  static greet(channel: Channel, hello: Message): Successor {
    const problem = problemWith(hello);
    if (problem === null) return new Successor(channel, hello["pid"] as number);
    const error = new Error(problem);
    channel.send({ type: "refused", message: problem });
    channel.close(error);
    throw error;
  }

  /** Kept when nothing can be said or heard any more. */
  get gone(): Promise<void> {
    return this.#channel.closed;
  }

  /** Hands over everything; kept when the other one serves on all of it. Rejects when it can't, or is gone. */
  async settle(estate: Estate, self: Introduction): Promise<void> {
    this.#channel.send({ type: "offer", pid: self.pid, version: self.version });
    expect(await this.#channel.receive(), "take");
    const descriptors = estate.sockets.flatMap((sockets) => sockets.descriptors);
    await this.#channel.sendWith(toEstateMessage(estate), descriptors);
    expect(await this.#channel.receive(), "ready");
  }

  /** Gives it the place. Kept when it has everything that is one process's alone. */
  async appoint(): Promise<void> {
    this.#channel.send({ type: "go" });
    expect(await this.#channel.receive(), "taken");
  }

  /** Tells it why it isn't to take the place. Of no account when it has it. */
  refuse(reason: string): void {
    this.#channel.send({ type: "refused", message: reason });
    this.#channel.close(new Error(reason));
  }
}

function problemWith({ type, protocol, pid }: Message): string | null {
  if (type !== "hello" || typeof pid !== "number") return `${type} was said and not hello`;
  return protocol === PROTOCOL
    ? null
    : `it speaks version ${String(protocol)} of the protocol, and this process version ${PROTOCOL}`;
}
