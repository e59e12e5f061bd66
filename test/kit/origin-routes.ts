import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { PatternVerifier, patternBytes, patternStream } from "./pattern.ts";

export type OriginRequest = IncomingMessage | Http2ServerRequest;
export type OriginResponse = ServerResponse | Http2ServerResponse;

/** One request at an origin, with what a handler needs to answer it. */
export interface Exchange {
  readonly request: OriginRequest;
  readonly response: OriginResponse;
  readonly url: URL;
  /** Of the origin. */
  readonly name: string;
  /** Keeps the answer back until the test calls `origin.release()`. */
  hold(answer: () => void): void;
}

export type OriginHandler = (exchange: Exchange) => void | Promise<void>;

/** What /echo answers, as JSON. */
export interface EchoAnswer {
  readonly origin: string;
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  /** Names and values in turn, as on the wire. */
  readonly rawHeaders: readonly string[];
  /** latin1 */
  readonly body: string;
  readonly rawTrailers: readonly string[];
}

/** What /upload answers, as JSON. */
export interface UploadAnswer {
  readonly bytes: number;
  readonly sha256: string;
  /** Whether the body was the pattern of the seed that the query names. */
  readonly pattern: boolean;
}

/** Handlers by the first part of the path; numbers follow in the path, the rest in the query. */
const routes: ReadonlyMap<string, OriginHandler> = new Map([
  ["", answerName],
  ["bytes", answerBytes],
  ["echo", answerEcho],
  ["chunked", answerChunked],
  ["slow", answerSlow],
  ["held", answerHeld],
  ["status", answerStatus],
  ["upload", answerUpload],
  ["trailers", answerTrailers],
  ["close", answerAndClose],
  ["cut", answerPartly],
  ["drop", dropConnection],
]);

export function findRoute(path: string): OriginHandler {
  return routes.get(path.split("/")[1] ?? "") ?? answerNotFound;
}

/** `/` the name of the origin. */
function answerName({ request, response, name }: Exchange): void {
  request.resume();
  end(response, `${name}\n`);
}

/** `/bytes/N?seed=S` N bytes of the pattern, with a content length. */
async function answerBytes({ request, response, url }: Exchange): Promise<void> {
  const length = numberInPath(url);
  request.resume();
  response.setHeader("content-type", "application/octet-stream");
  response.setHeader("content-length", length);
  if (request.method === "HEAD") end(response);
  else await pipeline(patternStream(length, numberInQuery(url, "seed", 0)), response);
}

/** `/echo` the request as JSON, see {@link EchoAnswer}. */
async function answerEcho({ request, response, name }: Exchange): Promise<void> {
  const body = await buffer(request);
  const answer: EchoAnswer = {
    origin: name,
    method: request.method ?? "",
    url: request.url ?? "",
    httpVersion: request.httpVersion,
    rawHeaders: request.rawHeaders,
    body: body.toString("latin1"),
    rawTrailers: request.rawTrailers,
  };
  endJson(response, answer);
}

/** `/chunked?chunks=3&size=10&seed=S` chunks of the pattern; over HTTP/1 each is a chunk of its own on the wire. */
async function answerChunked({ request, response, url }: Exchange): Promise<void> {
  const size = numberInQuery(url, "size", 10);
  const seed = numberInQuery(url, "seed", 0);
  request.resume();
  for (let i = 0; i < numberInQuery(url, "chunks", 3); i++) {
    await write(response, patternBytes(size, i * size, seed));
  }
  end(response);
}

/** `/slow?head=MS&body=MS` the head after the one time, the body ("slow\n") after the other: 100 ms when absent. */
async function answerSlow({ request, response, url }: Exchange): Promise<void> {
  request.resume();
  await delay(numberInQuery(url, "head", 100));
  response.setHeader("content-length", "slow\n".length);
  await write(response, "sl");
  await delay(numberInQuery(url, "body", 100));
  end(response, "ow\n");
}

/** `/held` answers when the test calls `origin.release()`. */
function answerHeld({ request, response, hold }: Exchange): void {
  request.resume();
  hold(() => end(response, "released\n"));
}

/** `/status/N` */
function answerStatus({ request, response, url }: Exchange): void {
  request.resume();
  response.statusCode = numberInPath(url);
  end(response, hasBody(response.statusCode) ? `${response.statusCode}\n` : "");
}

/** `/upload?seed=S` counts, digests and checks the body, see {@link UploadAnswer}. */
async function answerUpload({ request, response, url }: Exchange): Promise<void> {
  const digest = createHash("sha256");
  const verifier = new PatternVerifier(numberInQuery(url, "seed", 0));
  let bytes = 0;
  let pattern = true;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    digest.update(chunk);
    pattern &&= follows(verifier, chunk);
  }
  const answer: UploadAnswer = { bytes, sha256: digest.digest("hex"), pattern };
  endJson(response, answer);
}

/** `/trailers` a body without a length, then the trailers `x-first: 1` and `x-second: 2`. */
async function answerTrailers({ request, response }: Exchange): Promise<void> {
  request.resume();
  response.setHeader("trailer", "x-first, x-second");
  await write(response, "body\n");
  response.addTrailers({ "x-first": "1", "x-second": "2" });
  end(response);
}

/** `/close` answers with `connection: close` over HTTP/1, and ends the session after the answer over HTTP/2. */
function answerAndClose({ request, response }: Exchange): void {
  request.resume();
  if ("stream" in request) closeSessionAfter(request);
  else response.setHeader("connection", "close");
  end(response, "closing\n");
}

/** `/cut/N` promises twice N bytes, sends N, and breaks off. */
async function answerPartly({ request, response, url }: Exchange): Promise<void> {
  const length = numberInPath(url);
  request.resume();
  response.setHeader("content-length", length * 2);
  await write(response, patternBytes(length));
  breakOff(request);
}

/** `/drop` breaks off without an answer. */
function dropConnection({ request }: Exchange): void {
  breakOff(request);
}

function answerNotFound({ request, response }: Exchange): void {
  request.resume();
  response.statusCode = 404;
  end(response, "no such route\n");
}

function breakOff(request: OriginRequest): void {
  if ("stream" in request) request.stream.destroy(new Error("broken off by the test"));
  else request.socket.destroy();
}

function closeSessionAfter({ stream }: Http2ServerRequest): void {
  const { session } = stream;
  stream.once("close", () => session?.close());
}

function hasBody(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304;
}

function follows(verifier: PatternVerifier, chunk: Uint8Array): boolean {
  try {
    verifier.write(chunk);
    return true;
  } catch {
    return false;
  }
}

function endJson(response: OriginResponse, answer: unknown): void {
  response.setHeader("content-type", "application/json");
  end(response, JSON.stringify(answer));
}

function end(response: OriginResponse, body = ""): void {
  response.end(body);
}

/** Settles when the bytes have left for the kernel, so that the next write is a separate one. */
function write(response: OriginResponse, body: string | Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (error?: Error | null): void => (error ? reject(error) : resolve());
  if ("stream" in response) response.write(body, done);
  else response.write(body, done);
  return promise;
}

function numberInPath(url: URL): number {
  return Number(url.pathname.split("/")[2]);
}

function numberInQuery(url: URL, name: string, otherwise: number): number {
  return Number(url.searchParams.get(name) ?? otherwise);
}
