import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { listen } from "../../kit/ports.ts";
import {
  bodyOf,
  cacheControlOf,
  etagOf,
  modifiedAt,
  parsePath,
  type Resource,
  versionAt,
} from "./resource.ts";

/** What a body is sent in while the origin takes its time. */
const PIECES = 4;
/** Crowds come at once: who finds no place waits for seconds, which looks as if the origin took its time. */
const BACKLOG = 4096;

/** A server whose answers follow from the paths and the time; it counts what it is asked. */
export class Origin implements AsyncDisposable {
  readonly #server: Server;
  readonly #counts = new Map<string, number>();
  port = 0;
  requests = 0;

  private constructor() {
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      this.#answer(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(port: number): Promise<Origin> {
    const origin = new Origin();
    origin.port = await listen(origin.#server, { port, backlog: BACKLOG });
    return origin;
  }

  /** How often it was asked for a path; forgets it. */
  takeCount(path: string): number {
    const count = this.#counts.get(path) ?? 0;
    this.#counts.delete(path);
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    const resource = parsePath(path);
    if (resource === null) {
      response.writeHead(404, { "cache-control": "no-store" }).end();
      return;
    }
    this.requests++;
    const count = (this.#counts.get(path) ?? 0) + 1;
    this.#counts.set(path, count);
    if (resource.delay > 0) await delay(resource.delay);
    if (request.method !== "GET" && request.method !== "HEAD") {
      request.resume();
      response.writeHead(200, { "cache-control": "no-store", "content-length": 0 }).end();
      return;
    }
    const isFaulty =
      resource.fault === "first cut" ? count === 1 : resource.fault !== "none" && count % 3 === 0;
    if (isFaulty && resource.fault === "error") response.writeHead(503, { "content-length": 0 }).end();
    else await respond(request, response, resource, isFaulty);
  }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  resource: Resource,
  isCut: boolean,
): Promise<void> {
  const made = Date.now();
  const version = versionAt(resource, made);
  const kind = String(request.headers["x-kind"] ?? "");
  const fields = fieldsOf(resource, version, kind, made);
  fields["x-for"] = request.headers.authorization ?? "all";
  if (isUnchanged(request, resource, fields)) {
    response.writeHead(304, fields).end();
    return;
  }
  const body = bodyOf(resource, version, kind);
  if (resource.framing === "length") fields["content-length"] = String(body.length);
  response.writeHead(200, fields);
  if (request.method === "HEAD") response.end();
  else await send(response, body, resource.delay, isCut);
}

function fieldsOf(resource: Resource, version: number, kind: string, made: number): Record<string, string> {
  const { validator, varies } = resource;
  return {
    "cache-control": cacheControlOf(resource),
    "content-type": "application/octet-stream",
    "x-id": String(resource.id),
    "x-version": String(version),
    "x-variant": varies ? kind : "",
    "x-made": String(made),
    ...(varies ? { vary: "X-Kind" } : {}),
    ...(validator === "etag" || validator === "weak" ? { etag: etagOf(resource, version, kind) } : {}),
    ...(validator === "date"
      ? { "last-modified": new Date(modifiedAt(resource, version)).toUTCString() }
      : {}),
  };
}

function isUnchanged(
  { headers }: IncomingMessage,
  { validator }: Resource,
  fields: Readonly<Record<string, string>>,
): boolean {
  if (validator === "none") return false;
  const wanted = headers["if-none-match"];
  if (wanted !== undefined) {
    const strong = (tag: string): string => tag.trim().replace(/^W\//, "");
    return wanted.split(",").some((tag) => strong(tag) === strong(fields["etag"] ?? "none"));
  }
  const since = headers["if-modified-since"];
  return since !== undefined && Date.parse(since) >= Date.parse(fields["last-modified"] ?? "");
}

/** @param isCut ends the connection in the middle */
async function send(response: ServerResponse, body: Buffer, time: number, isCut: boolean): Promise<void> {
  const step = Math.ceil(body.length / PIECES) || 1;
  const end = isCut ? Math.floor(body.length / 2) : body.length;
  for (let at = 0; at < end; at += step) {
    const piece = body.subarray(at, Math.min(at + step, end));
    // Whatever isn't taken lies here: it is a part of what lies here anyway.
    response.write(piece);
    if (response.req.socket.destroyed) return;
    if (time > 0) await delay(time / PIECES);
  }
  if (!isCut) response.end();
  // The response may have no socket yet: it is the turn of the one before, of which the proxy has all already.
  else setImmediate(() => response.req.socket.destroy());
}
