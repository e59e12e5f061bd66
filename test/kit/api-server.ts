import { AdminServer } from "../../src/admin/http/admin-server.ts";
import type { ApiRequest } from "../../src/admin/http/api-message.ts";
import { ToxiproxyApi } from "../../src/admin/toxiproxy/toxiproxy-api.ts";
import type { ToxicRegistry } from "../../src/chaos/registry.ts";
import type { Steering } from "../../src/control/steering.ts";

export interface ApiServerOptions {
  readonly steering: Steering;
  readonly registry: ToxicRegistry;
  readonly token?: string;
  /** Knows no more than the original Toxiproxy does: no modes, no cuts, and of new proxies only their addresses. */
  readonly isOriginal?: boolean;
}

/** The HTTP API of proxies that exist on paper, on a port of its own. */
export interface ApiServer extends AsyncDisposable {
  readonly url: string;
}

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { steering, registry, token = null, isOriginal = false } = options;
  const api = new ToxiproxyApi({ steering, registry, version: "0" });
  const server = new AdminServer({
    port: 0,
    token,
    handlers: [(request) => (isOriginal ? answerLikeOriginal(api, request) : api.handle(request))],
  });
  const url = `http://${await server.listen()}`;
  return { url, [Symbol.asyncDispose]: () => server.close(0) };
}

async function answerLikeOriginal(
  api: ToxiproxyApi,
  request: ApiRequest,
): ReturnType<ToxiproxyApi["handle"]> {
  if (/\/(?:mode|cut)$/.test(request.path)) return null;
  if (request.path !== "/proxies" || request.method !== "POST") return await api.handle(request);
  const { name, listen, upstream, enabled } = JSON.parse(Buffer.from(await request.body()).toString());
  const body = Buffer.from(JSON.stringify({ name, listen, upstream, enabled }));
  const { method, path, query } = request;
  return await api.handle({
    method,
    path,
    query,
    header: (key) => request.header(key),
    body: async () => body,
  });
}
