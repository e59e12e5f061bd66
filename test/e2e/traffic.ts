import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../kit/deadline.ts";
import type { MortalServer } from "./mortal-server.ts";

/** Milliseconds between a lane's requests: enough of them are under way at any time, and the machine has others to do. */
const PAUSE = 4;

/** Sends one request; the port of the server that answered it, or what else came. */
export type Lane = () => Promise<string>;

/** Requests that flow until they are stopped; what each came to, by the server's port or what went wrong. */
export class Traffic {
  readonly results: Map<string, number> = new Map();
  readonly #lanes: readonly Promise<void>[];
  readonly #close: () => unknown;
  #isOver = false;

  /**
   * @param lanes each sends its next request when it has the answer to the last
   * @param close called when all have come to their end
   */
  constructor(lanes: readonly Lane[], close: () => unknown) {
    this.#close = close;
    this.#lanes = lanes.map((lane) => this.#flow(lane));
  }

  /** Requests that this server has answered. */
  of({ port }: MortalServer): number {
    return this.results.get(String(port)) ?? 0;
  }

  /** Waits until so many more requests came to this. */
  async more(server: MortalServer, requests: number): Promise<void> {
    const wanted = this.of(server) + requests;
    await until(`${server.port} answered ${wanted} requests`, () => this.of(server) >= wanted);
  }

  /** Ends it; every request has to have been answered by one of the servers. */
  async endWell(...servers: readonly MortalServer[]): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#lanes);
    await this.#close();
    const names = servers.map(({ port }) => String(port));
    assert.deepEqual(
      [...this.results.keys()].filter((name) => !names.includes(name)),
      [],
    );
  }

  async #flow(send: Lane): Promise<void> {
    while (!this.#isOver) {
      const result = await send().catch((error: Error) => error.message);
      this.results.set(result, (this.results.get(result) ?? 0) + 1);
      await delay(PAUSE);
    }
  }
}

/** Who answered, if it is what the server says to a body of so many bytes. */
export function nameIn(status: number, body: string, bytes: number): string {
  const [name = "", length] = body.split(" ");
  return status === 200 && length === String(bytes) ? name : `${status} ${body.trim()}`;
}
