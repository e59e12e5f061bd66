import type { ToxicRegistry } from "../../chaos/registry.ts";
import type { ToxicSettings } from "../../chaos/toxic.ts";
import type { ProxyState, Steering } from "../../control/steering.ts";
import type { Upstreams } from "../../control/upstreams.ts";
import {
  type ApiFault,
  type ApiRequest,
  type ApiResponse,
  answer,
  emptyAnswer,
  jsonAnswer,
  textAnswer,
} from "../http/api-message.ts";
import { requestId } from "../http/request-id.ts";
import { type PathParts, type RouteHandler, Router } from "../http/router.ts";
import { arrayJson, textJson } from "../json/write-json.ts";
import { openEvents } from "./event-streams.ts";
import { readMode } from "./mode-json.ts";
import { faultAnswer, faultMembers, faultNotFound, toFault, toxicNotFound } from "./problems.ts";
import { ProxyOrders } from "./proxy-orders.ts";
import {
  parseBody,
  readBody,
  readCut,
  readHttpFaultChange,
  readPopulation,
  readProxy,
  readToxic,
  readToxicChange,
  withRequired,
} from "./requests.ts";
import { Views } from "./views.ts";

export interface ToxiproxyApiOptions {
  readonly steering: Steering;
  /** The toxics that may be asked for. */
  readonly registry: ToxicRegistry;
  readonly version: string;
  /** Groups of servers whose events are told beside those of proxies; null for none. Default null. */
  readonly upstreams?: Upstreams | null;
  /** What `/metrics` answers; null for no such path. Default null. */
  readonly metrics?: (() => Promise<ApiResponse>) | null;
  /**
   * Whether requests of browsers are refused, by which Toxiproxy keeps pages from using it. Default true; false where a
   * dashboard is served beside it.
   */
  readonly refuseBrowsers?: boolean;
}

/** What became of a list of proxies. */
export interface Population {
  /** Those that stood before something went wrong, if it did. */
  readonly proxies: readonly ProxyState[];
  readonly fault: ApiFault | null;
}

/** What a Toxiproxy client speaks with: its HTTP API over any `Steering`, and what Sluice has beyond it. */
export class ToxiproxyApi {
  readonly #steering: Steering;
  readonly #registry: ToxicRegistry;
  readonly #upstreams: Upstreams | null;
  readonly #version: string;
  readonly #refuseBrowsers: boolean;
  readonly #orders: ProxyOrders;
  readonly #views: Views;
  readonly #router = new Router();

  constructor(options: ToxiproxyApiOptions) {
    const { steering, registry, version, upstreams = null, metrics = null, refuseBrowsers = true } = options;
    this.#steering = steering;
    this.#registry = registry;
    this.#upstreams = upstreams;
    this.#version = version;
    this.#refuseBrowsers = refuseBrowsers;
    this.#orders = new ProxyOrders(steering, registry);
    this.#views = new Views(registry);
    this.#addRoutes();
    this.#addOwnRoutes();
    if (metrics !== null) this.#router.add("*", "/metrics", metrics);
  }

  /** Answers a request; null when its path isn't one of this API's. */
  async handle(request: ApiRequest): Promise<ApiResponse | null> {
    const match = this.#router.find(request.method, request.path);
    if (match.kind === "nothing") return null;
    if (match.kind === "other-methods") return emptyAnswer(405);
    const reply = await this.#answer(request, match.handle, match.parts);
    return { ...reply, headers: { ...reply.headers, "X-Toxiproxy-Request-Id": requestId() } };
  }

  async #answer(request: ApiRequest, handle: RouteHandler, parts: PathParts): Promise<ApiResponse> {
    if (this.#refuseBrowsers && request.header("user-agent").startsWith("Mozilla/"))
      return textAnswer(403, "User agent not allowed");
    try {
      return await handle(request, parts);
    } catch (error) {
      return faultAnswer(toFault(error));
    }
  }

  /** Makes the proxies of a list in JSON, as `POST /populate` does. */
  async populate(json: Uint8Array): Promise<Population> {
    const proxies: ProxyState[] = [];
    try {
      const entries = readPopulation(parseBody(json));
      for (const entry of entries) proxies.push(await this.#orders.createOrReplace(entry));
    } catch (error) {
      return { proxies, fault: toFault(error) };
    }
    return { proxies, fault: null };
  }

  #addRoutes(): void {
    const routes: readonly (readonly [methods: string, path: string, handle: RouteHandler])[] = [
      ["GET", "/version", () => this.#showVersion()],
      ["POST", "/reset", () => this.#reset()],
      ["POST", "/populate", (request) => this.#populate(request)],
      ["GET", "/proxies", () => jsonAnswer(200, this.#views.proxies(this.#steering.list()))],
      ["POST", "/proxies", (request) => this.#createProxy(request)],
      ["GET", "/proxies/{proxy}", (_, [proxy]) => this.#proxyAnswer(200, this.#steering.get(proxy!))],
      ["POST PATCH", "/proxies/{proxy}", (request, [proxy]) => this.#updateProxy(request, proxy!)],
      ["DELETE", "/proxies/{proxy}", (_, [proxy]) => this.#done(this.#steering.remove(proxy!))],
      ["GET", "/proxies/{proxy}/toxics", (_, [proxy]) => this.#listToxics(proxy!)],
      ["POST", "/proxies/{proxy}/toxics", (request, [proxy]) => this.#addToxic(request, proxy!)],
      ["GET", "/proxies/{proxy}/toxics/{toxic}", (_, [proxy, toxic]) => this.#showToxic(proxy!, toxic!)],
      [
        "POST PATCH",
        "/proxies/{proxy}/toxics/{toxic}",
        (request, [proxy, toxic]) => this.#updateToxic(request, proxy!, toxic!),
      ],
      [
        "DELETE",
        "/proxies/{proxy}/toxics/{toxic}",
        (_, [proxy, toxic]) => this.#done(this.#steering.removeToxic(proxy!, toxic!)),
      ],
    ];
    for (const [methods, path, handle] of routes) this.#router.add(methods, path, handle);
  }

  /** What the original doesn't have. */
  #addOwnRoutes(): void {
    const sources = { steering: this.#steering, upstreams: this.#upstreams };
    this.#router.add("GET", "/events", (request) => openEvents(sources, request));
    this.#router.add("GET", "/proxies/{proxy}/connections", (_, [proxy]) => this.#listConnections(proxy!));
    this.#router.add("GET", "/proxies/{proxy}/mode", (_, [proxy]) => this.#showMode(proxy!));
    this.#router.add("PUT POST", "/proxies/{proxy}/mode", (request, [proxy]) =>
      this.#setMode(request, proxy!),
    );
    this.#router.add("POST", "/proxies/{proxy}/cut", (request, [proxy]) => this.#cut(request, proxy!));
    this.#router.add("GET", "/proxies/{proxy}/http_faults", (_, [proxy]) => this.#listHttpFaults(proxy!));
    this.#router.add("POST PATCH", "/proxies/{proxy}/http_faults/{fault}", (request, [proxy, fault]) =>
      this.#setHttpFault(request, proxy!, fault!),
    );
  }

  // ── Toxiproxy's ────────────────────────────────────────────────────────────────────────────────────────────────

  #showVersion(): ApiResponse {
    return answer(200, "application/json;charset=utf-8", `{"version": ${textJson(this.#version)}}\n`);
  }

  #reset(): Promise<ApiResponse> {
    return this.#done(this.#orders.reset());
  }

  async #populate(request: ApiRequest): Promise<ApiResponse> {
    const body = await request.body();
    const { proxies, fault } = await this.populate(body);
    // No list at all when there is nothing in it: clients have never seen an empty one.
    const list = proxies.length === 0 ? "null" : arrayJson(proxies.map((proxy) => this.#views.proxy(proxy)));
    const problem = fault === null ? "" : `${faultMembers(fault)},`;
    return jsonAnswer(fault?.status ?? 201, `{${problem}"proxies":${list}}`);
  }

  async #createProxy(request: ApiRequest): Promise<ApiResponse> {
    const entry = withRequired(readProxy(await readBody(request)));
    return this.#proxyAnswer(201, await this.#orders.create(entry));
  }

  async #updateProxy(request: ApiRequest, proxy: string): Promise<ApiResponse> {
    this.#steering.get(proxy);
    const fields = readProxy(await readBody(request));
    return this.#proxyAnswer(200, await this.#orders.update(proxy, fields));
  }

  #listToxics(proxy: string): ApiResponse {
    return jsonAnswer(200, this.#views.toxics(this.#steering.get(proxy).toxics));
  }

  async #addToxic(request: ApiRequest, proxy: string): Promise<ApiResponse> {
    this.#steering.get(proxy);
    const body = await readBody(request);
    const { toxics } = this.#steering.get(proxy);
    const toxic = readToxic(body, this.#registry, (name) => toxics.some((other) => other.name === name));
    return jsonAnswer(200, this.#views.toxic(await this.#steering.addToxic(proxy, toxic)));
  }

  #showToxic(proxy: string, toxic: string): ApiResponse {
    return jsonAnswer(200, this.#views.toxic(this.#toxicOf(proxy, toxic)));
  }

  async #updateToxic(request: ApiRequest, proxy: string, toxic: string): Promise<ApiResponse> {
    const type = this.#registry.get(this.#toxicOf(proxy, toxic).type)!;
    const change = readToxicChange(await readBody(request), type);
    return jsonAnswer(200, this.#views.toxic(await this.#steering.updateToxic(proxy, toxic, change)));
  }

  // ── ours ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #listConnections(proxy: string): Promise<ApiResponse> {
    const connections = await this.#steering.connections(proxy);
    return jsonAnswer(200, arrayJson(connections.map((connection) => this.#views.connection(connection))));
  }

  #showMode(proxy: string): ApiResponse {
    return jsonAnswer(200, JSON.stringify(this.#steering.get(proxy).mode));
  }

  async #setMode(request: ApiRequest, proxy: string): Promise<ApiResponse> {
    this.#steering.get(proxy);
    await this.#steering.setMode(proxy, readMode(await readBody(request)));
    return this.#showMode(proxy);
  }

  /** All connections when there is no body. */
  async #cut(request: ApiRequest, proxy: string): Promise<ApiResponse> {
    this.#steering.get(proxy);
    const { connection } = await readCut(request);
    return await this.#done(this.#steering.cut(proxy, connection));
  }

  async #listHttpFaults(proxy: string): Promise<ApiResponse> {
    return jsonAnswer(200, JSON.stringify(await this.#steering.httpFaults(proxy)));
  }

  /** What isn't said stays. */
  async #setHttpFault(request: ApiRequest, proxy: string, fault: string): Promise<ApiResponse> {
    const { enabled } = readHttpFaultChange(await readBody(request));
    if (enabled !== undefined) await this.#steering.setHttpFault(proxy, fault, enabled);
    const found = (await this.#steering.httpFaults(proxy)).find(({ name }) => name === fault);
    if (found === undefined) throw faultNotFound();
    return jsonAnswer(200, JSON.stringify(found));
  }

  // ── helpers ────────────────────────────────────────────────────────────────────────────────────────────────────

  #toxicOf(proxy: string, toxic: string): ToxicSettings {
    const found = this.#steering.get(proxy).toxics.find(({ name }) => name === toxic);
    if (found === undefined) throw toxicNotFound();
    return found;
  }

  #proxyAnswer(status: number, state: ProxyState): ApiResponse {
    return jsonAnswer(status, this.#views.proxy(state));
  }

  async #done(order: Promise<void>): Promise<ApiResponse> {
    await order;
    return emptyAnswer(204);
  }
}
