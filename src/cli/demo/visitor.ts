import { Agent, get, type IncomingMessage } from "node:http";

/** What a visit found. */
export interface Visit {
  readonly path: string;
  readonly status: number;
  readonly origin: string;
  readonly milliseconds: number;
}

const PATHS = ["/", "/products", "/products/42?size=m", "/cart", "/search?q=sluice", "/about"];
const INTERVAL = 1_000;

/** Sends a request through the balancer every second, as a visitor would, and tells what came back. */
export class Visitor {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #tell: (visit: Visit | Error) => void;
  #timer: NodeJS.Timeout | null = null;
  #count = 0;

  constructor(port: number, tell: (visit: Visit | Error) => void) {
    this.#port = port;
    this.#tell = tell;
  }

  start(): void {
    this.#visit();
    this.#timer = setInterval(() => this.#visit(), INTERVAL);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#agent.destroy();
  }

  #visit(): void {
    const path = PATHS[this.#count++ % PATHS.length]!;
    const start = performance.now();
    const options = { port: this.#port, host: "127.0.0.1", path, agent: this.#agent };
    const request = get(options, (response) => this.#finish(path, start, response));
    request.on("error", this.#tell);
  }

  #finish(path: string, start: number, response: IncomingMessage): void {
    response.resume();
    response.once("end", () => {
      const origin = String(response.headers["x-origin"] ?? "?");
      this.#tell({ path, status: response.statusCode ?? 0, origin, milliseconds: performance.now() - start });
    });
  }
}
