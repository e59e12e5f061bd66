import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Tally } from "./tally.ts";

const PERIOD = 20;
/** Messages of half a minute. */
const MOST_AWAITED = 30_000 / PERIOD;

/** Talks over one WebSocket for as long as it stands, and expects every message back, in order. */
export class SocketTalker {
  readonly #url: string;
  readonly #tally: Tally;
  #isOver = false;

  constructor(url: string, tally: Tally) {
    this.#url = url;
    this.#tally = tally;
  }

  async talk(): Promise<void> {
    while (!this.#isOver) await this.#talkOnce();
  }

  stop(): void {
    this.#isOver = true;
  }

  async #talkOnce(): Promise<void> {
    const tally = this.#tally;
    const { upgrades } = tally;
    const socket = new WebSocket(this.#url, { perMessageDeflate: false, rejectUnauthorized: false });
    const ended = new Promise<number>((resolve) => socket.once("close", resolve));
    let [said, heard] = [0, 0];
    socket.on("error", (error) => tally.fail("websocket", error));
    socket.on("message", (data) => {
      if (Number(data.toString()) === heard) tally.messages++;
      else tally.fail("websocket", new Error(`message ${heard} expected, ${data.toString()} came`));
      heard++;
    });
    await new Promise((resolve) => socket.once("open", resolve).once("close", resolve));
    while (socket.readyState === WebSocket.OPEN && !this.#isOver) {
      socket.send(String(said++));
      await delay(PERIOD);
      if (said - heard <= MOST_AWAITED) continue;
      tally.fail("websocket", new Error(`no answer to message ${heard}`));
      socket.terminate();
    }
    if (this.#isOver) socket.close();
    await ended;
    if (this.#isOver) return;
    if (tally.upgrades > upgrades) tally.movedOn++;
    else tally.cut++;
  }
}
