import { Agent, request } from "node:http";
import type { Random } from "../random.ts";

/** A toxic that changes when bytes arrive, and never which. */
function harmlessToxic(random: Random): { type: string; attributes: Record<string, number> } {
  const types = [
    { type: "latency", attributes: { latency: random.between(0, 199), jitter: random.between(0, 49) } },
    { type: "bandwidth", attributes: { rate: 50 + random.between(0, 4999) } },
    {
      type: "slicer",
      attributes: {
        average_size: 50 + random.between(0, 4999),
        size_variation: 20,
        delay: random.between(0, 199),
      },
    },
  ];
  return random.pick(types);
}

/** One user of the API: adds, changes and removes toxics of its own at random, as fast as it is answered. */
export class ApiClient {
  calls = 0;
  /** The longest it had to wait for an answer, milliseconds. */
  slowest = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;
  readonly #proxy: string;
  readonly #name: string;
  readonly #random: Random;
  #toxics: string[] = [];
  #made = 0;

  constructor(port: number, proxy: string, name: string, random: Random) {
    this.#port = port;
    this.#proxy = proxy;
    this.#name = name;
    this.#random = random;
  }

  /** Changes something every few milliseconds until `until`, then takes all its toxics away. */
  async run(until: number): Promise<void> {
    while (performance.now() < until) {
      await this.#step();
      await new Promise((resolve) => setTimeout(resolve, this.#random.between(0, 39)));
    }
    while (this.#toxics.length > 0) await this.#remove(0);
    this.#agent.destroy();
  }

  async #step(): Promise<void> {
    const choice = this.#random.between(0, 3);
    if (choice === 0 && this.#toxics.length > 0)
      await this.#remove(this.#random.between(0, this.#toxics.length - 1));
    else if (choice === 1 && this.#toxics.length > 0) await this.#update();
    else if (this.#toxics.length < 3) await this.#add();
    else await this.#remove(0);
  }

  async #add(): Promise<void> {
    const name = `${this.#name}-${++this.#made}`;
    const stream = this.#random.between(0, 1) === 0 ? "upstream" : "downstream";
    const body = { ...harmlessToxic(this.#random), name, stream, toxicity: 0.2 + this.#random.next() };
    await this.#call("POST", `/proxies/${this.#proxy}/toxics`, body);
    this.#toxics.push(name);
  }

  /** What isn't an attribute of the toxic's type is ignored. */
  async #update(): Promise<void> {
    const name = this.#random.pick(this.#toxics);
    const attributes = { latency: this.#random.between(0, 299), rate: 100 + this.#random.between(0, 8999) };
    await this.#call("PATCH", `/proxies/${this.#proxy}/toxics/${name}`, { attributes });
  }

  async #remove(index: number): Promise<void> {
    const [name] = this.#toxics.splice(index, 1);
    await this.#call("DELETE", `/proxies/${this.#proxy}/toxics/${name}`);
  }

  async #call(method: string, path: string, body?: unknown): Promise<void> {
    const start = performance.now();
    const status = await this.#send(method, path, body === undefined ? "" : JSON.stringify(body));
    this.calls++;
    this.slowest = Math.max(this.slowest, performance.now() - start);
    if (status >= 300) throw new Error(`${method} ${path} was answered with ${status}`);
  }

  #send(method: string, path: string, body: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const call = request(
      { port: this.#port, host: "127.0.0.1", agent: this.#agent, method, path },
      (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    call.on("error", reject).end(body);
    return promise;
  }
}
