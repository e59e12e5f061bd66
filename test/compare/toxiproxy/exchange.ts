import { connectRaw } from "../../kit/raw-client.ts";

/** A request, the same for both servers. `{api}` and `{free}` in it are ports of the server that is asked. */
export interface Request {
  readonly method: string;
  readonly target: string;
  readonly body: string;
  /** Lines of the head besides Host and Content-Length. */
  readonly fields: readonly string[];
}

/** What may be said of a request besides its method and target. */
export interface RequestExtras {
  readonly body?: string;
  readonly fields?: readonly string[];
}

export function request(
  method: string,
  target: string,
  { body = "", fields = [] }: RequestExtras = {},
): Request {
  return { method, target, body, fields };
}

/** A request with something in JSON; text is sent as it is. */
export function sending(method: string, target: string, body: unknown): Request {
  return request(method, target, { body: typeof body === "string" ? body : JSON.stringify(body) });
}

/** Ports of one server's side of the comparison. */
export interface Ports {
  /** That the server itself listens on. */
  readonly api: number;
  /** That nobody listens on unless a request makes a proxy do so. */
  readonly free: number;
}

/** An answer without what differs from run to run: dates, ids, ports. */
export interface Answer {
  readonly status: number;
  /** Sorted by name. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** Sends a request on a connection of its own. */
export async function exchange({ method, target, body, fields }: Request, ports: Ports): Promise<Answer> {
  await using client = await connectRaw(ports.api);
  const content = Buffer.from(fill(body, ports), "latin1");
  const head = [
    `${method} ${target} HTTP/1.1`,
    `Host: localhost:${ports.api}`,
    ...fields,
    ...(content.length > 0 ? [`Content-Length: ${content.length}`] : []),
    "",
    "",
  ].join("\r\n");
  const response = await client.exchange(Buffer.concat([Buffer.from(head), content]), { method });
  const headers = response.headers
    .filter(([name]) => name !== "Date")
    .map(([name, value]) => [name, hide(name, value)]);
  return {
    status: response.status,
    headers: headers.map((line) => line.join(": ")).sort(),
    body: blank(response.body.toString("latin1"), ports),
  };
}

function fill(text: string, { api, free }: Ports): string {
  return text.replaceAll("{api}", String(api)).replaceAll("{free}", String(free));
}

function hide(name: string, value: string): string {
  return name === "X-Toxiproxy-Request-Id" && /^[0-9a-v]{20}$/.test(value) ? "{id}" : value;
}

/** Ports that the kernel chose have no meaning; both kinds have five digits, so that lengths can be compared. */
function blank(text: string, { api, free }: Ports): string {
  return text
    .replaceAll(String(api), "{api}")
    .replaceAll(String(free), "{free}")
    .replace(/(\[::1?\]|\d+\.\d+\.\d+\.\d+):\d{5}\b/g, "$1:{port}");
}
