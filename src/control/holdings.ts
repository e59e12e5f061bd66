import type { Holding } from "../worker/messages.ts";
import type { SocketKeeper } from "./sockets.ts";

/** What listeners and configured proxies of a data plane listen on. */
export class Holdings {
  readonly #sockets: SocketKeeper;
  #held: readonly Holding[] = [];

  constructor(sockets: SocketKeeper) {
    this.#sockets = sockets;
  }

  /**
   * Has just these from now on: the sockets of others are closed for good.
   * @param holdings null: nobody can tell by now, so that nothing is closed; whoever is replaced listens there again
   */
  async hold(holdings: readonly Holding[] | null): Promise<void> {
    this.#sockets.letGo();
    if (holdings === null) return;
    const staying = new Set(holdings.map(keyOf));
    const gone = this.#held.filter((holding) => !staying.has(keyOf(holding)));
    this.#held = holdings;
    for (const [owner, address] of gone) await this.#sockets.release(owner, address);
  }
}

function keyOf(holding: Holding): string {
  return holding.join("\n");
}
