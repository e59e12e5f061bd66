import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { GRPC_STATUS_NAMES } from "../../http/grpc/grpc-status.ts";
import type { Address } from "../../net/address.ts";
import { HTTP2_ONLY } from "../peer-tls.ts";
import {
  decodeHealthResponse,
  encodeHealthRequest,
  HEALTH_CHECK_PATH,
  SERVING,
  SERVING_STATUSES,
} from "./grpc-health.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { startHttp2 } from "./probe-http2.ts";
import { type EndProbe, runProbe } from "./probe-run.ts";
import { authorityOf, type ProbeConnection, SocketOpener } from "./probe-socket.ts";

/** Bytes. A response of this service has seven. */
const ANSWER_LIMIT = 4096;

/**
 * A server is well when gRPC's standard health service says SERVING. Each probe has an HTTP/2 connection of its own,
 * over TLS (by ALPN) or in clear text (with prior knowledge).
 */
export class GrpcProbe implements Probe {
  readonly #opener: SocketOpener;
  readonly #request: Buffer;
  readonly #scheme: "http" | "https";

  /**
   * @param settings `service`: its full name; "": the server as a whole
   * @throws Error when OpenSSL refuses a certificate
   */
  constructor(settings: ProbeConnection & { readonly service: string }) {
    this.#opener = new SocketOpener(settings, HTTP2_ONLY);
    this.#request = encodeHealthRequest(settings.service);
    this.#scheme = settings.tls === null ? "http" : "https";
  }

  run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    return runProbe(this.#opener, address, signal, (socket, end) => {
      const stream = this.#call(socket, address, end);
      new GrpcAnswer(stream, end);
      stream.end(this.#request);
    });
  }

  #call(socket: Socket, address: Address, end: EndProbe): ClientHttp2Stream {
    return startHttp2(socket, end).request({
      ":method": "POST",
      ":scheme": this.#scheme,
      ":authority": authorityOf(address),
      ":path": HEALTH_CHECK_PATH,
      "content-type": "application/grpc",
      te: "trailers",
    });
  }
}

/** Puts an answer together from what comes, and judges it when it is complete or can't be good any more. */
class GrpcAnswer {
  readonly #end: EndProbe;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #head: IncomingHttpHeaders | null = null;
  #trailers: IncomingHttpHeaders = {};

  constructor(stream: ClientHttp2Stream, end: EndProbe) {
    this.#end = end;
    stream.on("error", end);
    stream.on("response", (head) => this.#onHead(head));
    stream.on("data", (chunk: Buffer) => this.#onData(chunk));
    stream.on("trailers", (trailers) => {
      this.#trailers = trailers;
    });
    stream.on("close", () => end(this.#judge()));
  }

  #onHead(head: IncomingHttpHeaders): void {
    this.#head = head;
    const type = head["content-type"] ?? "";
    if (Number(head[":status"]) !== 200) this.#end(`status ${head[":status"]}`);
    else if (!/^application\/grpc(?:$|[+; ])/i.test(type))
      this.#end(`no gRPC: content-type ${type || "missing"}`);
  }

  #onData(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size > ANSWER_LIMIT) this.#end("no answer of a health service: too long");
  }

  /** What is wrong, or null. */
  #judge(): string | null {
    if (this.#head === null) return "closed by the server";
    // An answer that is nothing but a head has its status there ("Trailers-Only").
    const { "grpc-status": code, "grpc-message": message } = { ...this.#head, ...this.#trailers };
    if (code === undefined) return "answer without grpc-status";
    if (code !== "0") return describeGrpcStatus(String(code), String(message ?? ""));
    const status = decodeHealthResponse(Buffer.concat(this.#chunks));
    if (status === null) return "no answer of a health service: malformed";
    return status === SERVING ? null : (SERVING_STATUSES[status] ?? `serving status ${status}`);
  }
}

function describeGrpcStatus(code: string, message: string): string {
  const line = `grpc-status ${code} ${GRPC_STATUS_NAMES[Number(code)] ?? ""}`.trimEnd();
  return message === "" ? line : `${line}: ${message}`;
}
