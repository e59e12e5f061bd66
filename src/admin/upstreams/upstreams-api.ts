import type { Upstreams } from "../../control/upstreams.ts";
import { type ApiRequest, type ApiResponse, emptyAnswer, jsonAnswer } from "../http/api-message.ts";
import { Router } from "../http/router.ts";
import { toUpstreamFault, upstreamFaultAnswer } from "./problems.ts";
import { readServerChange } from "./server-change.ts";
import { serverView, upstreamView } from "./views.ts";

/** Tells how groups of servers are, and takes orders for them. Names and addresses in paths may hold slashes. */
export class UpstreamsApi {
  readonly #upstreams: Upstreams;
  readonly #router = new Router();

  constructor(upstreams: Upstreams) {
    this.#upstreams = upstreams;
    const router = this.#router;
    router.add("GET", "/upstreams", () => json(upstreams.list().map(upstreamView)));
    router.add("GET", "/upstreams/{upstream*}/servers/{server*}", (_, [upstream, server]) =>
      json(serverView(upstreams.getServer(upstream!, server!))),
    );
    router.add("PATCH POST", "/upstreams/{upstream*}/servers/{server*}", (request, [upstream, server]) =>
      this.#change(request, upstream!, server!),
    );
    router.add("GET", "/upstreams/{upstream*}", (_, [upstream]) =>
      json(upstreamView(upstreams.get(upstream!))),
    );
  }

  /** Answers a request; null when its path isn't one of this API's. */
  async handle(request: ApiRequest): Promise<ApiResponse | null> {
    const match = this.#router.find(request.method, request.path);
    if (match.kind === "nothing") return null;
    if (match.kind === "other-methods") return emptyAnswer(405);
    try {
      return await match.handle(request, match.parts);
    } catch (error) {
      return upstreamFaultAnswer(toUpstreamFault(error));
    }
  }

  async #change(request: ApiRequest, upstream: string, server: string): Promise<ApiResponse> {
    // What isn't there is told before what is wrong with the rest.
    this.#upstreams.getServer(upstream, server);
    const { state, weight } = readServerChange(await request.body());
    if (weight !== undefined) this.#upstreams.setWeight(upstream, server, weight);
    if (state !== undefined) this.#upstreams.order(upstream, server, state);
    return json(serverView(this.#upstreams.getServer(upstream, server)));
  }
}

function json(value: unknown): ApiResponse {
  return jsonAnswer(200, `${JSON.stringify(value)}\n`);
}
