import * as z from "zod";

/** A toxic as the API tells it. */
export interface ApiToxic {
  readonly name: string;
  readonly type: string;
  readonly stream: string;
  readonly toxicity: number;
  readonly attributes: Readonly<Record<string, number | boolean | string>>;
}

/** A proxy as the API tells it. What only Sluice tells is missing from the answers of other servers. */
export interface ApiProxy {
  readonly name: string;
  readonly listen: string;
  readonly upstream: string;
  readonly enabled: boolean;
  readonly toxics: readonly ApiToxic[];
  /** Whatever else the server tells of it. */
  readonly [key: string]: unknown;
}

/** What a server can be told of a proxy; it keeps what isn't named. */
export interface ApiProxyInit {
  readonly name?: string;
  readonly listen?: string;
  readonly upstream?: string;
  readonly enabled?: boolean;
  readonly [key: string]: unknown;
}

/** What a server can be told of a toxic; the server has defaults for what isn't named. */
export interface ApiToxicInit extends Partial<ApiToxic> {}

/** An order that was not carried out. */
export class ApiError extends Error {
  /** The status of the answer; 0 when there was none. */
  readonly status: number;
  /** The code of the error, where the server gives one as Sluice does; "" elsewhere. */
  readonly code: string;
  /** All that the answer says, where it is JSON. */
  readonly details: unknown;

  constructor(
    status: number,
    message: string,
    { code = "", details, cause }: { code?: string; details?: unknown; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

export interface ApiClientOptions {
  /** `http://localhost:8474`, or `localhost:8474` */
  readonly url: string;
  /** Sent as a bearer token; null for none. */
  readonly token: string | null;
  /** Milliseconds for one answer. Default 30,000. */
  readonly timeout?: number;
}

const TIMEOUT = 30_000;

const toxicShape = z.looseObject({
  name: z.string(),
  type: z.string(),
  stream: z.string(),
  toxicity: z.number(),
  attributes: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])),
});
const proxyShape = z.looseObject({
  name: z.string(),
  listen: z.string(),
  upstream: z.string(),
  enabled: z.boolean(),
  toxics: z.array(toxicShape).nullable(),
});
const errorShape = z.looseObject({ error: z.string(), code: z.string().optional() });

/**
 * Speaks the HTTP API of Toxiproxy, as Sluice and the original serve it. Every call rejects with an `ApiError`: what the
 * server said, or why it couldn't be asked.
 */
export class ApiClient {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeout: number;

  /** @throws TypeError for what is no URL of a server */
  constructor({ url, token, timeout = TIMEOUT }: ApiClientOptions) {
    this.url = toServerUrl(url);
    const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
    this.#headers = { accept: "application/json", ...authorization };
    this.#timeout = timeout;
  }

  async version(): Promise<string> {
    const { version } = await this.read("GET", "/version", z.looseObject({ version: z.string() }));
    return version;
  }

  /** All proxies, by name. */
  async proxies(): Promise<ApiProxy[]> {
    const proxies = await this.read("GET", "/proxies", z.record(z.string(), proxyShape));
    return Object.values(proxies).map(toProxy);
  }

  async proxy(name: string): Promise<ApiProxy> {
    return toProxy(await this.read("GET", pathOf(name), proxyShape));
  }

  async createProxy(init: ApiProxyInit): Promise<ApiProxy> {
    return toProxy(await this.read("POST", "/proxies", proxyShape, init));
  }

  async updateProxy(name: string, change: ApiProxyInit): Promise<ApiProxy> {
    return toProxy(await this.read("POST", pathOf(name), proxyShape, change));
  }

  async deleteProxy(name: string): Promise<void> {
    await this.request("DELETE", pathOf(name));
  }

  /** In the order in which they act: all upstream ones, then the downstream ones. */
  toxics(proxy: string): Promise<ApiToxic[]> {
    return this.read("GET", pathOf(proxy, "toxics"), z.array(toxicShape));
  }

  addToxic(proxy: string, toxic: ApiToxicInit): Promise<ApiToxic> {
    return this.read("POST", pathOf(proxy, "toxics"), toxicShape, toxic);
  }

  updateToxic(proxy: string, toxic: string, change: ApiToxicInit): Promise<ApiToxic> {
    return this.read("POST", pathOf(proxy, "toxics", toxic), toxicShape, change);
  }

  async removeToxic(proxy: string, toxic: string): Promise<void> {
    await this.request("DELETE", pathOf(proxy, "toxics", toxic));
  }

  /** Enables every proxy and removes all toxics. */
  async reset(): Promise<void> {
    await this.request("POST", "/reset");
  }

  /**
   * Any other call. `path` begins with a slash and is encoded already; `body` is sent as JSON.
   * @param timeout milliseconds for the whole answer; that of the client when absent
   * @returns the text of the answer
   */
  async request(method: string, path: string, body?: unknown, timeout?: number): Promise<string> {
    const { response, text } = await this.#exchange(method, path, body, timeout ?? this.#timeout);
    if (response.ok) return text;
    const details = parseJson(text);
    const { error, code } = errorShape.safeParse(details).data ?? { error: text.trim() };
    throw new ApiError(response.status, error === "" ? `HTTP ${response.status}` : error, {
      code: code ?? "",
      details,
    });
  }

  async #exchange(
    method: string,
    path: string,
    body: unknown,
    timeout: number,
  ): Promise<{ response: Response; text: string }> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const type = body === undefined ? {} : { "content-type": "application/json" };
    try {
      const response = await fetch(this.url + path, {
        method,
        headers: { ...this.#headers, ...type },
        ...content,
        signal: AbortSignal.timeout(timeout),
      });
      return { response, text: await response.text() };
    } catch (error) {
      throw new ApiError(0, `can't reach ${this.url}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** A call whose answer is JSON of this shape. */
  async read<T>(method: string, path: string, shape: z.ZodType<T>, body?: unknown): Promise<T> {
    const text = await this.request(method, path, body);
    const parsed = shape.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new ApiError(
      0,
      `${this.url} doesn't speak Toxiproxy's API: ${method} ${path} gave ${shorten(text)}`,
    );
  }
}

function toProxy({ toxics, ...proxy }: z.infer<typeof proxyShape>): ApiProxy {
  return { ...proxy, toxics: toxics ?? [] };
}

function toServerUrl(text: string): string {
  const url = new URL(/^\w+:\/\//.test(text) ? text : `http://${text}`);
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`${text} is no address of an HTTP server`);
  return url.href.replace(/\/$/, "");
}

/** The path of a proxy, or of something below it. */
export function pathOf(proxy: string, ...below: readonly string[]): string {
  return ["/proxies", ...[proxy, ...below].map(encodeURIComponent)].join("/");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fetch` hides what happened behind its own error, or behind one for each address that it tried. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  const cause = error.cause instanceof AggregateError ? error.cause.errors[0] : error.cause;
  const { code, message } = (cause ?? error) as NodeJS.ErrnoException;
  return code === "ECONNREFUSED" ? "connection refused" : message;
}

const SHOWN_LENGTH = 60;

function shorten(text: string): string {
  const line = text.trim().replace(/\s+/g, " ");
  if (line === "") return "nothing";
  return line.length > SHOWN_LENGTH ? `${line.slice(0, SHOWN_LENGTH)}…` : line;
}
