import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { listen } from "../../kit/ports.ts";
import { multipart, rangeIn, rangesOf } from "./parts.ts";
import type { Part } from "./question.ts";

/** What a cache can do wrong, and this one does on demand. */
export type Wrong =
  | "mixes kinds"
  | "mixes paths"
  | "keeps too long"
  | "keeps what is private"
  | "gives users' answers to others"
  | "passes off parts"
  | "changes bytes"
  | "mixes versions"
  | "shifts ranges"
  | "cuts ranges short"
  | "ignores If-Range"
  | "says 304 always"
  | "ignores purges"
  | "ignores changes"
  | "tells no age"
  | "asks for everybody"
  | "ignores requests";

export const wrongs: readonly Wrong[] = [
  ...(["mixes kinds", "mixes paths", "keeps too long", "keeps what is private"] as const),
  ...(["gives users' answers to others", "passes off parts", "changes bytes", "mixes versions"] as const),
  ...([
    "shifts ranges",
    "cuts ranges short",
    "ignores If-Range",
    "says 304 always",
    "ignores purges",
  ] as const),
  ...(["ignores changes", "tells no age", "asks for everybody", "ignores requests"] as const),
];

interface Stored {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly time: number;
}

const BROKEN: Stored = {
  status: 502,
  fields: { "cache-control": "no-store" },
  body: Buffer.alloc(0),
  time: 0,
};

/** The simplest cache that does everything right, for this origin: whole answers in memory, nothing while it comes. Or wrong in one way. */
export class PaperCache implements AsyncDisposable {
  readonly #originPort: number;
  readonly #wrong: Wrong | null;
  readonly #stored = new Map<string, Stored>();
  readonly #underWay = new Map<string, Promise<Stored>>();
  /** Counts purges and changes by paths: what was asked for before isn't kept after. */
  readonly #turns = new Map<string, number>();
  readonly #server: Server;
  #count = 0;
  port = 0;

  private constructor(originPort: number, wrong: Wrong | null) {
    this.#originPort = originPort;
    this.#wrong = wrong;
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
      this.#serve(incoming, response).catch(() => response.destroy());
    });
  }

  static async start(originPort: number, wrong: Wrong | null): Promise<PaperCache> {
    const cache = new PaperCache(originPort, wrong);
    cache.port = await listen(cache.#server);
    return cache;
  }

  purge(path: string): void {
    if (this.#wrong !== "ignores purges") this.#drop(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
  }

  #drop(path: string): void {
    this.#turns.set(path, (this.#turns.get(path) ?? 0) + 1);
    for (const key of [...this.#stored.keys(), ...this.#underWay.keys()]) {
      if (!key.startsWith(`${path} `)) continue;
      this.#stored.delete(key);
      this.#underWay.delete(key);
    }
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = incoming;
    if (method !== "GET" && method !== "HEAD") {
      const answer = await this.#fetch(path, method, {});
      if (this.#wrong !== "ignores changes") this.#drop(path);
      response.writeHead(answer.status, answer.fields).end();
      return;
    }
    this.#count++;
    this.#respond(await this.#find(path, headers), method, headers, response);
  }

  async #find(path: string, headers: IncomingHttpHeaders): Promise<Stored> {
    const wrong = this.#wrong;
    const kind = wrong === "mixes kinds" ? "" : String(headers["x-kind"] ?? "");
    const isKnown = headers.authorization !== undefined && wrong !== "gives users' answers to others";
    const wantsNew = headers["cache-control"] === "no-cache" && wrong !== "ignores requests";
    const key = `${wrong === "mixes paths" && this.#count % 50 === 0 ? this.#anyPath(path) : path} ${kind}`;
    const stored = this.#stored.get(key);
    if (stored !== undefined && !isKnown && !wantsNew && Date.now() < this.#endOf(stored)) return stored;
    if (isKnown || wantsNew) return await this.#fetch(path, "GET", headers);
    const other = wrong === "asks for everybody" ? undefined : this.#underWay.get(key);
    const shared = other === undefined ? null : await other;
    if (shared !== null && this.#endOf(shared) > shared.time) return shared;
    return await this.#fill(path, key, headers);
  }

  #anyPath(path: string): string {
    const keys = [...this.#stored.keys()];
    return keys[this.#count % keys.length]?.split(" ")[0] ?? path;
  }

  async #fill(path: string, key: string, headers: IncomingHttpHeaders): Promise<Stored> {
    const turn = this.#turns.get(path);
    const coming = this.#fetch(path, "GET", headers);
    this.#underWay.set(key, coming);
    const answer = await coming;
    if (this.#underWay.get(key) === coming) this.#underWay.delete(key);
    const isOld = this.#turns.get(path) !== turn;
    if (answer.status !== 200 || isOld || this.#endOf(answer) <= answer.time) return answer;
    const before = this.#stored.get(key);
    const isMixed = this.#wrong === "mixes versions" && before?.body.length === answer.body.length;
    const half = answer.body.length >> 1;
    const kept = isMixed
      ? { ...answer, body: Buffer.concat([before.body.subarray(0, half), answer.body.subarray(half)]) }
      : answer;
    this.#stored.set(key, kept);
    return answer;
  }

  /** When it is fresh no more. */
  #endOf({ fields, time }: Stored): number {
    const control = fields["cache-control"] ?? "";
    if (control.startsWith("private") && this.#wrong !== "keeps what is private") return 0;
    const seconds = Number(/max-age=(\d+)/.exec(control)?.[1] ?? 0);
    return time + seconds * 1000 * (this.#wrong === "keeps too long" ? 20 : 1);
  }

  /** The whole answer; 502 when it isn't whole. */
  #fetch(path: string, method: string, headers: IncomingHttpHeaders): Promise<Stored> {
    const passed: Record<string, string> = {};
    for (const name of ["x-kind", "authorization"])
      if (headers[name] !== undefined) passed[name] = String(headers[name]);
    return new Promise((resolve) => {
      const time = Date.now();
      const options = { port: this.#originPort, host: "127.0.0.1", path, method, headers: passed };
      const sent = request(options, (answer) => {
        const pieces: Buffer[] = [];
        answer.on("data", (piece: Buffer) => pieces.push(piece));
        answer.on("error", () => undefined);
        answer.on("close", () => {
          const isWhole = answer.complete || this.#wrong === "passes off parts";
          const { statusCode: status = 502 } = answer;
          const fields = Object.fromEntries(
            Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
          );
          resolve(isWhole ? { status, fields, body: Buffer.concat(pieces), time } : BROKEN);
        });
      });
      sent.on("error", () => resolve(BROKEN));
      sent.end();
    });
  }

  #respond(stored: Stored, method: string, headers: IncomingHttpHeaders, response: ServerResponse): void {
    const { status, time } = stored;
    const { "content-length": _, "transfer-encoding": __, connection: ___, ...rest } = stored.fields;
    const age = String(Math.max(0, Math.floor((Date.now() - time) / 1000)));
    const fields: Record<string, string> = this.#wrong === "tells no age" ? rest : { ...rest, age };
    if (status === 200 && this.#isUnchanged(fields, headers)) {
      response.writeHead(304, fields).end();
      return;
    }
    const body = this.#bodyOf(stored);
    const parts = status === 200 ? this.#partsOf(fields, headers, body.length) : null;
    if (parts === null) finish(response, method, status, fields, body);
    else if (parts.length === 0) {
      finish(response, method, 416, { "content-range": `bytes */${body.length}` }, Buffer.alloc(0));
    } else this.#respondParts(response, method, fields, body, parts);
  }

  #bodyOf({ body }: Stored): Buffer {
    if (this.#wrong !== "changes bytes" || this.#count % 40 !== 0 || body.length === 0) return body;
    const changed = Buffer.from(body);
    changed[changed.length >> 1]! ^= 1;
    return changed;
  }

  #isUnchanged(fields: Readonly<Record<string, string>>, headers: IncomingHttpHeaders): boolean {
    const tag = headers["if-none-match"];
    const since = headers["if-modified-since"];
    if (tag === undefined && since === undefined) return false;
    if (this.#wrong === "says 304 always") return true;
    if (tag !== undefined) return tag.replace("W/", "") === fields["etag"]?.replace("W/", "");
    return fields["last-modified"] !== undefined && Date.parse(since!) >= Date.parse(fields["last-modified"]);
  }

  /** Null: all of it; none: none of them is there. */
  #partsOf(
    fields: Readonly<Record<string, string>>,
    headers: IncomingHttpHeaders,
    size: number,
  ): readonly Part[] | null {
    if (headers.range === undefined) return null;
    const condition = headers["if-range"];
    if (condition !== undefined && this.#wrong !== "ignores If-Range") {
      const known = String(condition).includes('"') ? fields["etag"] : fields["last-modified"];
      if (known !== condition || known.startsWith("W/")) return null;
    }
    return rangesOf(headers.range)
      .map((part) => rangeIn(part, size))
      .filter((part) => part !== null);
  }

  #respondParts(
    response: ServerResponse,
    method: string,
    fields: Readonly<Record<string, string>>,
    body: Buffer,
    parts: readonly Part[],
  ): void {
    const shift = this.#wrong === "shifts ranges" ? 1 : 0;
    const short = this.#wrong === "cuts ranges short" ? 1 : 0;
    const cut = ([first, last]: Part): Buffer => body.subarray(Math.max(0, first - shift), last + 1 - shift);
    const [only] = parts;
    if (parts.length > 1 || only === undefined) {
      const { type, bytes } = multipart(parts, body.length, cut);
      finish(response, method, 206, { ...fields, "content-type": type }, bytes);
      return;
    }
    const last = Math.max(only[0], only[1] - short);
    const range = `bytes ${only[0]}-${last}/${body.length}`;
    finish(response, method, 206, { ...fields, "content-range": range }, cut([only[0], last]));
  }
}

function finish(
  response: ServerResponse,
  method: string,
  status: number,
  fields: Readonly<Record<string, string>>,
  body: Buffer,
): void {
  response.writeHead(status, { ...fields, "content-length": String(body.length) });
  response.end(method === "HEAD" ? undefined : body);
}
