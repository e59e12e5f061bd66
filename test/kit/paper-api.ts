import assert from "node:assert/strict";
import type { ApiResponse } from "../../src/admin/http/api-message.ts";
import { ToxiproxyApi } from "../../src/admin/toxiproxy/toxiproxy-api.ts";
import { createRegistry } from "../../src/chaos/toxics/index.ts";
import { apiRequest } from "./api-request.ts";
import { FakeUpstreams, groupStatus } from "./fake-upstreams.ts";
import { MemorySteering } from "./memory-steering.ts";

/** The Toxiproxy API over proxies on paper. */
export interface PaperApi {
  readonly steering: MemorySteering;
  readonly upstreams: FakeUpstreams;
  readonly api: ToxiproxyApi;
  ask(
    method: string,
    target: string,
    body?: string,
    fields?: Readonly<Record<string, string>>,
  ): Promise<ApiResponse>;
  /** Status and body in one: `404 {"error":…`. */
  tell(method: string, target: string, body?: string): Promise<string>;
}

export function openPaperApi(): PaperApi {
  const registry = createRegistry();
  const steering = new MemorySteering(registry);
  const upstreams = new FakeUpstreams(groupStatus("api", []), groupStatus("pages", []));
  const api = new ToxiproxyApi({ steering, registry, upstreams, version: "1.2.3" });
  const ask: PaperApi["ask"] = async (method, target, body, fields) => {
    const reply = await api.handle(apiRequest(method, target, body, fields));
    assert.ok(reply !== null, `${method} ${target} isn't known`);
    return reply;
  };
  const tell: PaperApi["tell"] = async (method, target, body) => {
    const reply = await ask(method, target, body);
    return `${reply.status} ${String(reply.body)}`;
  };
  return { steering, upstreams, api, ask, tell };
}

/** What the API shows of the proxy that `openPaperApiWithProxy` makes. */
export const PAPER_PROXY =
  '{"name":"p","listen":"127.0.0.1:7001","upstream":"u:1","enabled":true,"Logger":{},"toxics":[]}';

export async function openPaperApiWithProxy(): Promise<PaperApi> {
  const paper = openPaperApi();
  await paper.steering.create({ name: "p", listen: "127.0.0.1:7001", upstreams: ["u:1"] });
  return paper;
}

/** An error as the API tells it, behind its status. */
export function toldFault(status: number, message: string): string {
  return `${status} ${JSON.stringify({ error: message, status })}\n`;
}
