import type { ProxyError } from "../base/errors.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { SessionObserver } from "../proxy/http-proxy.ts";
import type { Session } from "../proxy/session.ts";
import type { LogSink } from "./log-sink.ts";

/** `combined` is what Apache and nginx write; `json` has everything, one object a line. */
export type AccessLogFormat = "combined" | "json";

type LineWriter = (session: Session<unknown>, error: ProxyError | null) => string;

/** Writes a line for every finished session. */
export class AccessLog implements SessionObserver {
  #sink: LogSink | null;
  #toLine: LineWriter;

  constructor(sink: LogSink, format: AccessLogFormat) {
    this.#sink = sink;
    this.#toLine = writerOf(format);
  }

  /** Where lines go from now on, and how they look; null: nowhere. */
  use(sink: LogSink | null, format: AccessLogFormat): void {
    this.#sink = sink;
    this.#toLine = writerOf(format);
  }

  onSession(session: Session<unknown>, error: ProxyError | null): void {
    this.#sink?.write(this.#toLine(session, error));
  }
}

function writerOf(format: AccessLogFormat): LineWriter {
  return format === "json" ? jsonLine : combinedLine;
}

/** `host - - [date] "request" status bytes "referer" "user-agent"` */
function combinedLine(session: Session<unknown>): string {
  const { request, response, client, bytesSent } = session;
  const referer = quotable(request.headers.get("referer"));
  const agent = quotable(request.headers.get("user-agent"));
  const line = `${request.method} ${request.target} ${request.protocol}`;
  const from = client.address === "" ? "unix:" : client.address;
  return `${from} - - [${clfDate()}] "${quotable(line)}" ${response?.status ?? 499} ${bytesSent} "${referer}" "${agent}"\n`;
}

function jsonLine(session: Session<unknown>, error: ProxyError | null): string {
  const { request, response, client, timings, peer } = session;
  const entry = {
    time: new Date().toISOString(),
    client: client.address,
    listener: client.listener,
    method: request.method,
    host: request.host,
    target: request.target,
    protocol: request.protocol,
    tls: client.tls === null ? null : tlsEntry(client.tls),
    status: response?.status ?? 0,
    bytes_received: session.bytesReceived,
    bytes_sent: session.bytesSent,
    duration_ms: milliseconds(timings.start, timings.end),
    connect_ms: milliseconds(timings.start, timings.connected),
    first_byte_ms: milliseconds(timings.start, timings.firstByte),
    upstream: peer === null ? null : peer.toString(),
    upstream_reused: session.upstreamReused,
    upstream_tls: session.upstreamTls === null ? null : tlsEntry(session.upstreamTls),
    tries: session.tries,
    user_agent: request.headers.get("user-agent"),
    referer: request.headers.get("referer"),
    error: error === null ? null : error.code,
    ...(session.cacheRules === null ? {} : cacheEntry(session)),
    ...(session.grpcStatus === null ? {} : { grpc_status: session.grpcStatus }),
  };
  return `${JSON.stringify(entry)}\n`;
}

/** What the cache did, in the words of the response, and in one of our own. */
function cacheEntry({ response, cache }: Session<unknown>): object {
  const told = response?.headers.get("cache-status") ?? null;
  return { cache: told, cache_phase: cache.phase, cache_reason: cache.reason };
}

/** `certificate` is the name in the other side's, null when it showed none. */
function tlsEntry({ version, cipher, serverName, alpn, resumed, peerCertificate }: TlsDigest): object {
  const certificate = peerCertificate === null ? null : peerCertificate.subject;
  return { version, cipher, sni: serverName, alpn, resumed, certificate };
}

/** From the start to a moment, to the microsecond; null when it wasn't reached. */
function milliseconds(start: number, moment: number): number | null {
  return moment === 0 ? null : Math.round((moment - start) * 1000) / 1000;
}

/** What a client sent can't end the quotes or the line. */
function quotable(text: string | null): string {
  if (text === null || text === "") return "-";
  return /["\\]|[^\x20-\x7e]/.test(text) ? text.replace(/["\\]|[^\x20-\x7e]/g, escapeByte) : text;
}

function escapeByte(char: string): string {
  if (char === '"' || char === "\\") return `\\${char}`;
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
let dateSecond = 0;
let dateText = "";

/** `21/Nov/2026:05:16:11 +0000`, made once a second. */
function clfDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    const date = new Date(second * 1000);
    const day = String(date.getUTCDate()).padStart(2, "0");
    dateSecond = second;
    dateText = `${day}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${date.toISOString().slice(11, 19)} +0000`;
  }
  return dateText;
}
