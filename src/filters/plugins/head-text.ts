import { latin1 } from "../../base/latin1.ts";
import type { RequestHead } from "../../http/heads.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import { ScanOutcome } from "../../http1/head-limits.ts";
import { HeadScan } from "../../http1/head-scan.ts";
import { toRequestHead } from "../../http1/request-rules.ts";
import { PluginError } from "../../plugins/plugin.ts";

/**
 * What says where a request ends, and what belongs to the client's connection: the proxy has acted on it already. A head that
 * says something else now would be read in two ways.
 */
const UNCHANGEABLE: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "upgrade",
  "te",
  "trailer",
  "expect",
  "http2-settings",
]);

/** Methods that decide what a response looks like, or what becomes of the connection. */
const OWN_KINDS: ReadonlySet<string> = new Set(["HEAD", "CONNECT"]);

/** A request's head as HTTP/1.1 has it, whatever it came in, one character a byte. */
export function toHeadText(request: RequestHead): string {
  let text = `${request.method} ${request.target} HTTP/1.1\r\n`;
  // HTTP/1.0 may leave it out.
  if (!request.headers.has("host")) text += `Host: ${request.host}\r\n`;
  for (const [name, value] of request.headers) text += `${name}: ${value}\r\n`;
  return `${text}\r\n`;
}

/** Bytes of a replaced head, and its fields. */
const LARGEST = 1024 * 1024;
const MOST_FIELDS = 1000;

/**
 * Reads a head that is to take the place of another, as strictly as those of clients.
 * @throws PluginError when it isn't correct, or changes what may not be changed
 */
export function parseReplacement(text: string, request: RequestHead): RequestHead {
  const head = parse(text);
  if (head.method !== request.method && (OWN_KINDS.has(head.method) || OWN_KINDS.has(request.method)))
    throw new PluginError(`it makes ${head.method} of ${request.method}`);
  for (const name of UNCHANGEABLE) {
    if (!isSame(head.headers.getAll(name), request.headers.getAll(name)))
      throw new PluginError(`it changes ${name}, which no plugin may change`);
  }
  return head;
}

function parse(text: string): RequestHead {
  const bytes = Buffer.from(text, "latin1");
  const limits = { requestLine: LARGEST, bytes: LARGEST, fields: MOST_FIELDS };
  const scan = new HeadScan(limits);
  const outcome = scan.scanRequest(bytes, 0, bytes.length);
  if (outcome === ScanOutcome.Refused)
    throw new PluginError(`it made a head that is refused: ${scan.problem}`);
  if (outcome === ScanOutcome.Incomplete) throw new PluginError("it made a head without an end");
  if (scan.end !== bytes.length)
    throw new PluginError(
      `it made a head with something behind it: ${JSON.stringify(latin1(bytes, scan.end, scan.end + 20))}`,
    );
  const head = toRequestHead(scan);
  if (typeof head === "string") throw new PluginError(`it made a head that is refused: ${head}`);
  return head;
}

/** Has `request` say what `replacement` says. */
export function takeReplacement(request: RequestHead, replacement: RequestHead): void {
  if (replacement.method !== request.method) request.method = replacement.method;
  if (replacement.target !== request.target) request.target = replacement.target;
  if (replacement.host !== request.host) request.host = replacement.host;
  takeFields(request.headers, replacement.headers);
}

/** Fields whose values are the same stay the bytes that they came as. */
function takeFields(headers: HttpHeaders, wanted: HttpHeaders): void {
  const names = new Set([...headers, ...wanted].map(([name]) => name.toLowerCase()));
  const written = new Map([...wanted].map(([name]) => [name.toLowerCase(), name]));
  for (const name of names) {
    const values = wanted.getAll(name);
    if (isSame(values, headers.getAll(name))) continue;
    const [first, ...others] = values;
    if (first === undefined) {
      headers.delete(name);
      continue;
    }
    const as = written.get(name) ?? name;
    headers.set(as, first);
    for (const value of others) headers.append(as, value);
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
