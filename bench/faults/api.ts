/** The few calls of Toxiproxy's API that measuring needs; both servers speak it. */
export class Api {
  readonly #base: string;

  constructor(port: number) {
    this.#base = `http://127.0.0.1:${port}`;
  }

  /** Resolves once the server answers. */
  async ready(): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const isUp = await fetch(`${this.#base}/version`).then(
        (response) => response.ok,
        () => false,
      );
      if (isUp) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("it doesn't answer /version");
  }

  /** Makes a proxy on a free port; returns the port. */
  async createProxy(name: string, upstreamPort: number): Promise<number> {
    const upstream = `127.0.0.1:${upstreamPort}`;
    const proxy = await this.#post("/proxies", { name, listen: "127.0.0.1:0", upstream });
    return Number(String(proxy["listen"]).split(":").at(-1));
  }

  async addToxic(proxy: string, type: string, attributes: Record<string, number>): Promise<void> {
    await this.#post(`/proxies/${proxy}/toxics`, { type, stream: "downstream", attributes });
  }

  async #post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.#base + path, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text.trim()}`);
    return JSON.parse(text) as Record<string, unknown>;
  }
}
