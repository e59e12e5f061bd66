import * as zlib from "node:zlib";
import type { Coding } from "../../src/filters/coding/coding-settings.ts";
import { ContentCoding, type ContentCodingOptions } from "../../src/filters/coding/content-coding.ts";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import type { RawScript } from "../kit/raw-origin.ts";
import {
  type Answer,
  answering,
  type ProxyOptions,
  type ProxyUnderTest,
  request,
  startProxy,
} from "./proxy.ts";

/** What says that a body is plain text, by which it is compressed. */
export const PLAIN = "Content-Type: text/plain; charset=utf-8";

/** How a client of Node's decodes. */
export const DECODERS: Readonly<Record<Coding, (bytes: Buffer) => Buffer>> = {
  gzip: zlib.gunzipSync,
  br: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
};

/** How a server of Node's encodes. */
export const ENCODERS: Readonly<Record<Coding, (bytes: Buffer) => Buffer>> = {
  gzip: zlib.gzipSync,
  br: (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } }),
  zstd: zlib.zstdCompressSync,
};

/** A proxy whose sessions are coded. */
export function startCoding(
  origin: RawScript | { readonly port: number },
  coding: ContentCodingOptions = { compress: {} },
  phases: Partial<ProxyPhases> = {},
  options: Partial<ProxyOptions<undefined>> = {},
): Promise<ProxyUnderTest> {
  const contentCoding = new ContentCoding(coding);
  const earlyRequestFilter: NonNullable<ProxyPhases["earlyRequestFilter"]> = (session) =>
    contentCoding.use(session);
  return startProxy({ ...options, origin, phases: { earlyRequestFilter, ...phases } });
}

/** A 200 in wire form. */
export function response(body: string | Buffer, ...fields: readonly string[]): Buffer {
  const bytes = Buffer.from(body);
  const lines = ["HTTP/1.1 200 OK", `Content-Length: ${bytes.length}`, ...fields, "", ""];
  return Buffer.concat([Buffer.from(lines.join("\r\n")), bytes]);
}

/** What a client that accepts `codings` gets for an answer. */
export async function exchange(
  answer: Answer,
  codings: string | null,
  options?: ContentCodingOptions,
  ...fields: readonly string[]
): Promise<RawResponse> {
  await using proxy = await startCoding(answering(answer), options);
  const client = await proxy.connect();
  const accept = codings === null ? [] : [`Accept-Encoding: ${codings}`];
  return await client.exchange(request("GET /", ...accept, ...fields));
}
