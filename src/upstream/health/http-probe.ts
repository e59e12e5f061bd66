import type { OutgoingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { TLSSocket } from "node:tls";
import { nodeHttp } from "../../http/node-http.ts";
import type { Address } from "../../net/address.ts";
import type { HealthCheckSettings, ProbeFields } from "../group-settings.ts";
import type { Protocols } from "../peer-tls.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { startHttp2 } from "./probe-http2.ts";
import { type EndProbe, runProbe } from "./probe-run.ts";
import { authorityOf, SocketOpener } from "./probe-socket.ts";

export type HttpProbeSettings = Pick<
  Extract<HealthCheckSettings, { kind: "http" }>,
  "method" | "path" | "headers" | "expect" | "body" | "tls" | "http2" | "proxy" | "localAddress"
>;

/** HTTP/1.1 if the server speaks it, and leaves it to us. */
const PROTOCOLS: Protocols = ["http/1.1", "h2"];

/** Bytes of a response's body that are read at most. */
export const BODY_LIMIT: number = 64 * 1024;

/**
 * A server is well when it answers a request with an expected status and a body that comes to its end, or to 64 KiB,
 * and matches. Each probe has a connection of its own, with `Connection: close`; over TLS it may be one of HTTP/2, if the server
 * prefers that.
 *
 * - `Host` is the server's address, unless `headers` name another.
 * - Responses of the 1xx kind are passed over, but for 101, which is the last one. Redirects are not followed.
 * - The body is taken for UTF-8, and as it comes: there is no `Accept-Encoding` unless `headers` have it.
 */
export class HttpProbe implements Probe {
  readonly #settings: HttpProbeSettings;
  readonly #opener: SocketOpener;
  readonly #body: RegExp | null;
  readonly #namesHost: boolean;

  /**
   * @throws SyntaxError when `body` is no regular expression
   * @throws Error when OpenSSL refuses a certificate
   */
  constructor(settings: HttpProbeSettings) {
    this.#settings = settings;
    this.#opener = new SocketOpener(settings, PROTOCOLS);
    this.#body = settings.body === null ? null : new RegExp(settings.body, "u");
    this.#namesHost = settings.headers.some(([name]) => name.toLowerCase() === "host");
  }

  run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    const { method, path } = this.#settings;
    return runProbe(this.#opener, address, signal, (socket, end) => {
      const isHttp2 =
        socket instanceof TLSSocket ? socket.alpnProtocol === "h2" : this.#settings.http2 === true;
      if (isHttp2) {
        this.#askInHttp2(socket, address, end);
        return;
      }
      // Without an agent the connection is closed after the response.
      const request = nodeHttp.request({ method, path, setHost: false, createConnection: () => socket });
      request.on("error", end);
      request.on("response", (response) => void this.#judge(response.statusCode!, response).then(end, end));
      request.on("upgrade", ({ statusCode }) => end(this.#judgeStatus(statusCode!)));
      for (const [name, value] of this.#fields(address)) request.appendHeader(name, value);
      request.end();
    });
  }

  #askInHttp2(socket: Socket, address: Address, end: EndProbe): void {
    const { method, path, tls } = this.#settings;
    const fields = this.#fields(address).map(([name, value]) => [name.toLowerCase(), value] as const);
    const authority = fields.find(([name]) => name === "host")?.[1] ?? authorityOf(address);
    const head: OutgoingHttpHeaders = {};
    for (const [name, value] of fields)
      if (name !== "host") head[name] = [head[name] ?? [], value].flat().map(String);
    const stream = startHttp2(socket, end).request({
      ...head,
      ...{
        ":method": method,
        ":scheme": tls === null ? "http" : "https",
        ":authority": authority,
        ":path": path,
      },
    });
    stream.on("error", end);
    stream.on("response", ({ ":status": status }) => void this.#judge(status!, stream).then(end, end));
    stream.on("close", () => end("closed by the server"));
    stream.end();
  }

  #fields(address: Address): ProbeFields {
    const { headers } = this.#settings;
    return this.#namesHost ? headers : [["Host", authorityOf(address)], ...headers];
  }

  /** What is wrong with the response, or null. */
  async #judge(status: number, response: Readable): Promise<string | null> {
    const problem = this.#judgeStatus(status);
    if (problem !== null) return problem;
    const body = await readStart(response);
    return this.#body === null || this.#body.test(body.toString()) ? null : "body does not match";
  }

  #judgeStatus(status: number): string | null {
    const isExpected = this.#settings.expect.some(({ first, last }) => first <= status && status <= last);
    return isExpected ? null : `status ${status}`;
  }
}

/** The body, or as much of it as matters. Rejects when the server breaks it off before. */
async function readStart(response: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= BODY_LIMIT) break;
  }
  return Buffer.concat(chunks).subarray(0, BODY_LIMIT);
}
