import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Channel } from "./channel.ts";
import { connectTo } from "./connect-to.ts";
import { closeAll } from "./descriptors.ts";
import { type Estate, fromEstateMessage } from "./estate.ts";
import type { Message } from "./frames.ts";
import { expect, type Introduction, PROTOCOL } from "./manners.ts";
import { type ExpectedOwner, isTrustedOwner } from "./trust.ts";

/**
 * The process whose place this one takes, seen from here.
 *
 *     hello ──▶        who we are
 *           ◀── offer  when it is told to hand over
 *     take ───▶
 *           ◀── estate with the descriptors of all listening sockets
 *      … this process starts, on the same sockets …
 *     ready ──▶        both accept connections now
 *           ◀── go     it has decided: the place is ours
 *     taken ──▶        it stops accepting
 */
export class Predecessor {
  /** Its process id. */
  readonly pid: number;
  readonly estate: Estate;
  readonly #channel: Channel;

  private constructor(channel: Channel, pid: number, estate: Estate) {
    this.#channel = channel;
    this.pid = pid;
    this.estate = estate;
  }

  /** The one that started this process, through a descriptor that it left us. Rejects when it hands over nothing. */
  static async inherit(descriptor: number, self: Introduction): Promise<Predecessor> {
    const channel = new Channel(new Socket({ fd: descriptor, readable: true, writable: true }));
    return await Predecessor.#meet(channel, self);
  }

  /**
   * The one that listens at `path`, as soon as it is told to hand over. Rejects when nobody listens there, or when it ends
   * without having been told to.
   * @param expected who should listen there
   */
  static async waitAt(
    path: string,
    self: Introduction,
    expected: ExpectedOwner = { pid: null, uid: null },
  ): Promise<Predecessor> {
    const channel = await findAt(path);
    const { pid, uid } = channel.peer;
    if (!isTrustedOwner({ pid, uid }, expected)) {
      channel.close();
      const whose = "neither this one nor the one that this process becomes";
      throw new Error(
        `Nothing is taken over at ${path}: process ${pid} listens there, of user ${uid}, which is ${whose}`,
      );
    }
    return await Predecessor.#meet(channel, self);
  }

  static async #meet(channel: Channel, self: Introduction): Promise<Predecessor> {
    try {
      channel.send({ type: "hello", protocol: PROTOCOL, pid: self.pid, version: self.version });
      const { pid } = expect(await channel.receive(), "offer");
      const { message, descriptors } = await channel.receiveWith({ type: "take" });
      return new Predecessor(channel, typeof pid === "number" ? pid : 0, claim(message, descriptors));
    } catch (error) {
      channel.close();
      throw new Error(`Nothing could be taken over: ${(error as Error).message}`, { cause: error });
    }
  }

  /** All is listened on. Kept when the place is ours; rejects when the other one has decided otherwise and goes on. */
  async takeOver(): Promise<void> {
    this.#channel.send({ type: "ready" });
    try {
      expect(await this.#channel.receive(), "go");
    } catch (error) {
      this.#channel.close();
      throw new Error(`The place of process ${this.pid} couldn't be taken: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /**
   * Everything that was the other one's is ours: it may leave. Rejects when it has decided otherwise meanwhile, for this process may
   * have been held up.
   */
  async confirm(): Promise<void> {
    const refusal = this.#channel.receive().then(
      ({ message }) => String(message),
      // It is gone, or leaves it to us to say the last word.
      () => null,
    );
    const reason = await Promise.race([refusal, allHeard()]);
    if (reason !== null) throw new Error(`The place of process ${this.pid} couldn't be taken: ${reason}`);
    this.#channel.send({ type: "taken" });
    this.#channel.close();
  }

  /** This process can't start: the other one goes on. */
  renounce(reason: string): void {
    this.#channel.send({ type: "failed", message: reason });
    this.#channel.close();
  }
}

/** What has come by now is heard: of two turns the second looks at sockets first. */
async function allHeard(): Promise<null> {
  await nextTurn();
  await nextTurn();
  return null;
}

/** @throws Error in words for people */
async function findAt(path: string): Promise<Channel> {
  try {
    return new Channel(await connectTo(path));
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new Error(`There is nobody to take over from at ${path} (${code})`, { cause: error });
  }
}

function claim(message: Message, descriptors: readonly number[]): Estate {
  try {
    return fromEstateMessage(expect(message, "estate"), descriptors);
  } catch (error) {
    closeAll(descriptors);
    throw error;
  }
}
