import { latin1 } from "../base/latin1.ts";
import { FieldId } from "../http/field-names.ts";
import { FIELD_STRIDE, idAt, VALUE_END, VALUE_START } from "../http/field-table.ts";
import { type BodyLength, RequestHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { HeadProblem } from "./head-limits.ts";
import { ConnectionOption, type HeadScan } from "./head-scan.ts";
import { ReceivedRequest } from "./received-head.ts";

const SLASH = 0x2f;
const STAR = 0x2a;

/** A host with an optional port: a name, an IPv4 address or a bracketed IPv6 address (RFC 3986 §3.2.2). */
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+;=%]+)(?::\d{0,5})?$/;
const ABSOLUTE_FORM = /^https?:\/\/(?<authority>[^/?]*)(?<rest>.*)$/i;

/**
 * Fields that `Connection` may not take out of a message, whatever it says: framing, routing, and who the client is;
 * nor the `Expect` that a client waits on.
 * `Upgrade` isn't copied anyway, but a 101 still has to tell the protocol; nor is `TE`, which is always named (RFC 9110 §10.1.4),
 * but servers of HTTP/2 are told whether trailers are taken.
 */
const NOT_NAMEABLE: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "expect",
  "forwarded",
  "te",
  "upgrade",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

/**
 * A request head from a complete scan, after the checks that concern the whole head (RFC 9112 §3.2, §6.1).
 * Returns what is wrong otherwise.
 */
export function toRequestHead(scan: HeadScan): RequestHead | HeadProblem {
  if (scan.minorVersion === 0) {
    if (scan.chunked) return "CHUNKED_IN_HTTP_1_0";
  } else if ((scan.present & (1 << FieldId.Host)) === 0) return "BAD_HOST";
  const head = new RequestHead(new ReceivedRequest(scan), requestBodyLength(scan));
  head.present = scan.present;
  if (scan.minorVersion === 0) head.protocol = "HTTP/1.0";
  const problem = noteHost(scan, head) ?? checkTarget(scan, head);
  if (problem !== null) return problem;
  if ((scan.present & SPECIAL) !== 0) return noteSpecialFields(scan, head);
  return head;
}

const SPECIAL = (1 << FieldId.Connection) | (1 << FieldId.Expect);

function requestBodyLength(scan: HeadScan): BodyLength {
  if (scan.chunked) return "unknown";
  return scan.contentLength < 0 ? "none" : scan.contentLength;
}

function noteHost(scan: HeadScan, head: RequestHead): HeadProblem | null {
  if ((scan.present & (1 << FieldId.Host)) === 0) return null;
  let index = 0;
  while (idAt(scan, index) !== FieldId.Host) index++;
  const at = index * FIELD_STRIDE;
  head.host = hostAt(scan.bytes, scan.offsets[at + VALUE_START]!, scan.offsets[at + VALUE_END]!);
  return isHost(head.host) ? null : "BAD_HOST";
}

/** The last host that passed. Clients of one site send one host, so mostly a comparison of bytes gives the string. */
let lastHost = "";
let lastHostBytes: Buffer = Buffer.alloc(0);

function hostAt(bytes: Buffer, start: number, end: number): string {
  if (end - start !== lastHostBytes.length) return latin1(bytes, start, end);
  for (let i = 0; i < lastHostBytes.length; i++) {
    if (bytes[start + i] !== lastHostBytes[i]) return latin1(bytes, start, end);
  }
  return lastHost;
}

/** An empty Host is allowed (RFC 9112 §3.2) for targets that have no authority. */
function isHost(host: string): boolean {
  if (host === lastHost) return true;
  if (host !== "" && !AUTHORITY.test(host)) return false;
  lastHost = host;
  lastHostBytes = Buffer.from(host, "latin1");
  return true;
}

/** origin-form, or what belongs to the method: `*` for OPTIONS, `host:port` for CONNECT (RFC 9112 §3.2). */
function checkTarget(scan: HeadScan, head: RequestHead): HeadProblem | null {
  const first = scan.bytes[scan.targetStart]!;
  const isConnect = scan.methodEnd - scan.start === 7 && head.method === "CONNECT";
  if (isConnect) return checkConnect(head);
  if (first === SLASH) return null;
  if (first === STAR)
    return scan.targetEnd - scan.targetStart === 1 && head.method === "OPTIONS" ? null : "BAD_TARGET";
  return takeAbsoluteForm(scan, head);
}

/** The bytes after a CONNECT are the tunnel's; a body before them could be read as either (RFC 9110 §9.3.6). */
function checkConnect(head: RequestHead): HeadProblem | null {
  if (head.body !== "none" && head.body !== 0) return "BODY_IN_CONNECT";
  return /:\d{1,5}$/.test(head.target) && AUTHORITY.test(head.target) ? null : "BAD_TARGET";
}

/** A client may use us as its proxy: the authority in the target wins over Host (RFC 9112 §3.2.2). */
function takeAbsoluteForm(scan: HeadScan, head: RequestHead): HeadProblem | null {
  const match = ABSOLUTE_FORM.exec(latin1(scan.bytes, scan.targetStart, scan.targetEnd));
  const { authority = "", rest = "" } = match?.groups ?? {};
  if (match === null || !AUTHORITY.test(authority)) return "BAD_TARGET";
  if (rest === "" && head.method === "OPTIONS") head.target = "*";
  else head.target = rest.startsWith("/") ? rest : `/${rest}`;
  head.headers.set("Host", authority);
  head.host = authority;
  return null;
}

function noteSpecialFields(scan: HeadScan, head: RequestHead): RequestHead | HeadProblem {
  if ((scan.present & (1 << FieldId.Expect)) !== 0) {
    // An HTTP/1.0 client can't mean it (RFC 9110 §10.1.1).
    if (scan.minorVersion === 0) head.headers.delete("expect");
    else if (head.headers.get("expect")?.toLowerCase() !== "100-continue") return "BAD_EXPECT";
    else head.expectsContinue = true;
  }
  if ((scan.connection & ConnectionOption.Upgrade) !== 0 && scan.minorVersion > 0)
    head.upgrade = upgradeOf(head);
  if ((scan.connection & ConnectionOption.Names) !== 0) deleteNamedFields(head.headers);
  return head;
}

/** Never `h2c`: a tunnel into an HTTP/2 server would carry requests past every route and filter. */
function upgradeOf(head: RequestHead): string | null {
  const protocols = head.headers.get("upgrade");
  if (protocols === null || protocols === "" || /(?:^|[,\s])h2c?(?:$|[,\s/])/i.test(protocols)) return null;
  return protocols;
}

/** Takes out the fields that `Connection` names (RFC 9110 §7.6.1). One look at each field: the list may be long. */
export function deleteNamedFields(headers: HttpHeaders): void {
  const named = new Set(headers.get("connection")?.split(",").map(toFieldName));
  for (const [received] of headers) {
    const name = received.toLowerCase();
    if (named.has(name) && !NOT_NAMEABLE.has(name)) headers.delete(name);
  }
}

function toFieldName(option: string): string {
  return option.trim().toLowerCase();
}

/** True when the request's connection may carry another one after it (RFC 9112 §9.3). */
export function isPersistent(scan: HeadScan): boolean {
  if ((scan.connection & ConnectionOption.Close) !== 0) return false;
  return scan.minorVersion > 0 || (scan.connection & ConnectionOption.KeepAlive) !== 0;
}

/** Empty lines before a request line are passed over: some clients end a body with one too many (RFC 9112 §2.2). */
export function skipEmptyLines(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (end - at >= 2 && bytes[at] === 0x0d && bytes[at + 1] === 0x0a) at += 2;
  return at;
}

/** True when all there is may be the first half of another empty line. */
export function isEmptyLineBegun(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 1 && bytes[start] === 0x0d;
}
