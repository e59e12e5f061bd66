import type { ClientRequest, IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { describeThrown } from "../../base/errors.ts";
import { nodeHttp } from "../../http/node-http.ts";
import type { DiscoverySettings } from "../group-settings.ts";
import { RepeatedDiscovery } from "./repeated-discovery.ts";
import type { DiscoveryMeans } from "./repeater.ts";
import { MAX_LIST_BYTES, readServerList } from "./server-list.ts";
import type { FoundServers } from "./server-news.ts";
import { withTimeLimit } from "./time-limit.ts";

/** What was read last, and the tag that a server knows it by. */
interface Edition {
  readonly tag: string | null;
  readonly found: FoundServers;
}

type HttpSettings = DiscoverySettings & { kind: "http" };

/**
 * Servers from a JSON list behind a URL. The next poll begins when the interval has passed since the last one's end. Any
 * status but 200, or 304 for a list that is known, is an error; redirects aren't followed. So is an empty list, which
 * keeps what is known.
 */
export class HttpDiscovery extends RepeatedDiscovery {
  readonly #settings: HttpSettings;
  readonly #url: URL;
  readonly #means: DiscoveryMeans;
  #edition: Edition | null = null;

  /** @throws TypeError when the URL can't be read */
  constructor(settings: HttpSettings, means: DiscoveryMeans) {
    const url = new URL(settings.url);
    // Not the URL itself: user, password and query may be secrets.
    super(`${url.origin}${url.pathname}`, means);
    this.#settings = settings;
    this.#url = url;
    this.#means = means;
  }

  protected async look(signal: AbortSignal): Promise<number> {
    const { interval, timeout } = this.#settings;
    try {
      this.#edition = await withTimeLimit(this.#means.clock, timeout, signal, (limit) => this.#ask(limit));
    } catch (error) {
      this.news.failed(describeThrown(error));
      return interval;
    }
    this.news.found(this.#edition.found);
    return interval;
  }

  async #ask(signal: AbortSignal): Promise<Edition> {
    const response = await this.#send(signal);
    const { statusCode, headers } = response;
    if (statusCode === 304 && this.#edition !== null && this.#edition.tag !== null) return this.#edition;
    if (statusCode !== 200) throw new RangeError(`it answered ${statusCode}`);
    const found = readServerList(parseJson(await readText(response)));
    return { tag: headers.etag ?? null, found };
  }

  #send(signal: AbortSignal): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = this.#url.protocol === "https:" ? requestHttps : nodeHttp.request;
    // A connection of its own: one that is kept would be open between the polls, and in the way of leaving.
    const request = send(this.#url, { agent: false, signal });
    request.on("response", resolve);
    request.on("error", reject);
    this.#setFields(request);
    request.end();
    return promise;
  }

  #setFields(request: ClientRequest): void {
    const ours: [string, string][] = [["Accept", "application/json"]];
    const tag = this.#edition?.tag ?? null;
    if (tag !== null) ours.push(["If-None-Match", tag]);
    for (const [name, value] of this.#settings.headers) {
      if (name.toLowerCase() === "host") request.setHeader(name, value);
      else request.appendHeader(name, value);
    }
    for (const [name, value] of ours) if (!request.hasHeader(name)) request.setHeader(name, value);
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_LIST_BYTES) throw new RangeError(`its answer is longer than ${MAX_LIST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RangeError(`its answer is no JSON: ${describeThrown(error)}`, { cause: error });
  }
}
