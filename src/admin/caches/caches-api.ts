import {
  CacheError,
  type CacheProblem,
  type CacheReport,
  type Caches,
  type PurgeOrder,
  type RedisReport,
  type StoredReport,
  type StoreFigures,
} from "../../control/caches.ts";
import { ApiFault, type ApiRequest, type ApiResponse, emptyAnswer, jsonAnswer } from "../http/api-message.ts";
import { badBody, readObject } from "../http/object-body.ts";
import { Router } from "../http/router.ts";

const STATUSES: Readonly<Record<CacheProblem, number>> = { CACHE_NOT_FOUND: 404, INVALID: 400 };
const KINDS = ["url", "prefix", "tag"] as const;
const MEMBERS: readonly string[] = [...KINDS, "all", "soft"];

/** Tells what caches have, and takes from use what they shall have no longer. Names in paths may hold slashes. */
export class CachesApi {
  readonly #caches: Caches;
  readonly #router = new Router();

  constructor(caches: Caches) {
    this.#caches = caches;
    const router = this.#router;
    router.add("GET", "/caches", () => json(caches.list().map(cacheView)));
    router.add("POST", "/caches/{cache*}/purge", (request, [cache]) => this.#purge(request, cache!));
    router.add("GET", "/caches/{cache*}/lookup", (request, [cache]) => this.#lookUp(request, cache!));
  }

  /** Answers a request; null when its path isn't one of this API's. */
  async handle(request: ApiRequest): Promise<ApiResponse | null> {
    const match = this.#router.find(request.method, request.path);
    if (match.kind === "nothing") return null;
    if (match.kind === "other-methods") return emptyAnswer(405);
    try {
      return await match.handle(request, match.parts);
    } catch (error) {
      return faultAnswer(error);
    }
  }

  async #purge(request: ApiRequest, cache: string): Promise<ApiResponse> {
    const order = readPurge(await request.body());
    const { found, isEverywhere } = await this.#caches.purge(cache, order);
    return json({ found, everywhere: isEverywhere });
  }

  async #lookUp({ query }: ApiRequest, cache: string): Promise<ApiResponse> {
    const url = query.get("url");
    if (url === null) throw bad("url is missing");
    const headers = query.getAll("header").map(readHeader);
    return json((await this.#caches.lookUp(cache, url, headers)).map(storedView));
  }
}

/** `Accept-Language: de` */
function readHeader(line: string): [name: string, value: string] {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+): ?([\x20-\x7e]*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) throw bad(`${JSON.stringify(line)} is no header field`);
  return [name, value];
}

/**
 * Reads `{"url": "https://example.com/a"}`, `{"prefix": "https://example.com/docs/"}`, `{"tag": "news"}` or `{"all": true}`; with
 * `"soft": true` what it hits becomes stale.
 * @throws ApiFault with what is wrong with it
 */
function readPurge(body: Uint8Array): PurgeOrder {
  const purge = readObject(body);
  const unknown = Object.keys(purge).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined)
    throw badBody(`${JSON.stringify(unknown)} says nothing here: there are ${MEMBERS.join(", ")}`);
  const { soft: isSoft = false, ...by } = purge;
  if (typeof isSoft !== "boolean") throw badBody("soft is true or false");
  const [kind, ...more] = Object.keys(by);
  if (kind === undefined || more.length > 0) throw badBody("one of url, prefix, tag and all is expected");
  if (kind === "all") {
    if (by["all"] !== true) throw badBody("all is true");
    return { by: "all", text: "", isSoft };
  }
  const text = by[kind];
  if (typeof text !== "string" || text === "") throw badBody(`${kind} is a text`);
  return { by: kind as (typeof KINDS)[number], text, isSoft };
}

function bad(reason: string): ApiFault {
  return new ApiFault(400, `bad request: ${reason}`);
}

/** `{"error":"there is no cache \"page\": did you mean pages?","code":"CACHE_NOT_FOUND","status":404}` */
function faultAnswer(error: unknown): ApiResponse {
  if (error instanceof CacheError) {
    const status = STATUSES[error.code];
    return jsonAnswer(status, `${JSON.stringify({ error: error.message, code: error.code, status })}\n`);
  }
  if (!(error instanceof ApiFault)) throw error;
  const { status, message } = error;
  return jsonAnswer(status, `${JSON.stringify({ error: message, status })}\n`);
}

/** A cache as JSON. */
function cacheView({ stores, redis, ...cache }: CacheReport): object {
  return { ...withBounds(cache), stores: stores.map(withBounds), redis: redis && redisView(redis) };
}

function redisView({ isAway, ...redis }: RedisReport): object {
  return { ...redis, away: isAway };
}

function withBounds({ mostBytes, mostEntryBytes, ...figures }: StoreFigures): object {
  return { ...figures, most_bytes: mostBytes, most_entry_bytes: mostEntryBytes };
}

/** What is stored for a request as JSON; times in seconds. */
function storedView({ isPurged, isComplete, ...stored }: StoredReport): object {
  return { ...stored, purged: isPurged, complete: isComplete };
}

function json(value: unknown): ApiResponse {
  return jsonAnswer(200, `${JSON.stringify(value)}\n`);
}
