import type { ApiRequest } from "../../src/admin/http/api-message.ts";

/** A request as the admin API sees it, without any HTTP. Field names are in lower case. */
export function apiRequest(
  method: string,
  target: string,
  body = "",
  fields: Readonly<Record<string, string>> = {},
): ApiRequest {
  const url = new URL(target, "http://localhost");
  return {
    method,
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    header: (name) => fields[name] ?? "",
    body: async () => Buffer.from(body),
  };
}
