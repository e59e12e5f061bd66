import { latin1 } from "../base/latin1.ts";
import { type FieldName, toFieldName } from "../http/field-names.ts";
import type { RequestHead } from "../http/heads.ts";
import { peekField } from "../http/peek-field.ts";
import type { KeyHash } from "./key-hash.ts";
import { cookieInKey } from "./rules/key-cookies.ts";
import { lookalikesOf } from "./rules/lookalikes.ts";
import { type QueryNormaliser, type QueryRule, toQueryNormaliser, WHOLE_QUERY } from "./rules/query-rule.ts";
import type { CacheKey } from "./store.ts";

/** What a key is made of besides scheme, authority and path. */
export interface KeyRules {
  readonly query: QueryRule;
  /** Request fields whose values are in the key, as they came. Default: none */
  readonly fields: readonly string[];
  /** Cookies likewise. Default: none */
  readonly cookies: readonly string[];
}

export const DEFAULT_KEY_RULES: KeyRules = { query: WHOLE_QUERY, fields: [], cookies: [] };

/** A key whose hash is made when it is asked for, which costs nothing as long as no other key is asked for its own. */
class TextKey implements CacheKey {
  readonly text: string;
  readonly #hash: KeyHash;

  constructor(text: string, hash: KeyHash) {
    this.text = text;
    this.#hash = hash;
  }

  get hash(): Int32Array {
    return this.#hash.of(this.text);
  }
}

/**
 * The key of a request as it came, with nothing in it but what it has in one piece: as long as nobody asks for the text, none is
 * made. It goes by the request.
 */
class RequestKey implements CacheKey {
  readonly #origin: Origin;
  readonly #request: RequestHead;
  readonly #hash: KeyHash;
  #text: string | null = null;

  constructor(origin: Origin, request: RequestHead, hash: KeyHash) {
    this.#origin = origin;
    this.#request = request;
    this.#hash = hash;
  }

  get text(): string {
    this.#text ??= this.#origin.text + this.#request.target;
    return this.#text;
  }

  get hash(): Int32Array {
    if (this.#text !== null) return this.#hash.of(this.#text);
    const { source } = this.#request;
    return this.#hash.ofBytes(this.#origin.bytes, source.table().bytes, source.targetStart, source.targetEnd);
  }

  isAt(bytes: Buffer, at: number, length: number): boolean {
    if (this.#text !== null) return latin1(bytes, at, at + length) === this.#text;
    const { source } = this.#request;
    const origin = this.#origin.bytes;
    const { targetStart: start, targetEnd: end } = source;
    if (length !== origin.length + end - start) return false;
    const targetAt = at + origin.length;
    return (
      areSame(bytes, at, origin, 0, origin.length) &&
      areSame(bytes, targetAt, source.table().bytes, start, end)
    );
  }
}

/** Keys are short: a loop is cheaper than a call out of JavaScript. */
function areSame(bytes: Buffer, at: number, others: Buffer, start: number, end: number): boolean {
  for (let from = start, to = at; from < end; from++, to++) if (bytes[to] !== others[from]) return false;
  return true;
}

/** Scheme and authority, as text and as bytes. */
interface Origin {
  readonly text: string;
  readonly bytes: Buffer;
}

/**
 * Makes the keys of requests by one set of rules:
 *
 *     https://example.com/path?query            and a line for each field and cookie that the rules name
 *
 * GET and HEAD share a key, for the latter is answered by what the former brought; nothing else has one. The authority is in
 * lower case, without a dot at its end and without the port that its scheme has anyway. The path is as it came: `%7E` and `~`,
 * `/a/../b` and `/b` are two keys, for a server may see two things there, and a cache that takes them for one serves the wrong
 * one. So is the query, but for what the rules say.
 */
export class KeyMaker {
  readonly #hash: KeyHash;
  readonly #query: QueryNormaliser | null;
  readonly #fields: readonly FieldName[];
  readonly #cookies: readonly string[];
  readonly #isPlain: boolean;
  /** Of the last request: clients of one site send one host. */
  #host = "";
  #scheme = "";
  #origin: Origin = { text: "", bytes: Buffer.alloc(0) };

  constructor(rules: KeyRules, hash: KeyHash) {
    this.#hash = hash;
    this.#query = toQueryNormaliser(rules.query);
    this.#fields = rules.fields.map(toFieldName);
    this.#cookies = rules.cookies;
    this.#isPlain = this.#query === null && rules.fields.length === 0 && rules.cookies.length === 0;
  }

  /**
   * The request is to stay as it is as long as the key is used, unless its text was asked for.
   * @param scheme by which the client came: `http` or `https`
   */
  of(request: RequestHead, scheme: string): CacheKey {
    const { host } = request;
    if (host !== this.#host || scheme !== this.#scheme) this.#turnTo(host, scheme);
    const origin = this.#origin;
    if (!this.#isPlain) {
      const target = this.#normalTarget(request.target);
      return new TextKey(origin.text + target + this.#extras(request), this.#hash);
    }
    const isAsReceived = !request.lineChanged && request.source.targetStart >= 0;
    if (isAsReceived) return new RequestKey(origin, request, this.#hash);
    return new TextKey(origin.text + request.target, this.#hash);
  }

  /**
   * The key of a text: of a variant, of a URL to purge, or what a program makes of a request itself. Characters that aren't
   * latin1 become those of their UTF-8.
   */
  ofText(text: string): CacheKey {
    const isLatin1 = !NOT_LATIN1.test(text);
    return new TextKey(isLatin1 ? text : Buffer.from(text).toString("latin1"), this.#hash);
  }

  /** The key of a URL as somebody wrote it, for rules that name no fields and cookies; null for what is no http URL. */
  ofUrl(url: string): CacheKey | null {
    const [, scheme, host, target] = HTTP_URL.exec(url) ?? [];
    if (scheme === undefined || host === undefined || target === undefined) return null;
    const rooted = target.startsWith("/") ? target : `/${target}`;
    return this.ofText(originOf(host, scheme.toLowerCase()) + this.#normalTarget(rooted));
  }

  #turnTo(host: string, scheme: string): void {
    this.#host = host;
    this.#scheme = scheme;
    const text = originOf(host, scheme);
    this.#origin = { text, bytes: Buffer.from(text, "latin1") };
  }

  #normalTarget(target: string): string {
    const mark = this.#query === null ? -1 : target.indexOf("?");
    if (mark === -1 || this.#query === null) return target;
    const query = this.#query(target.slice(mark + 1));
    return query === "" ? target.slice(0, mark) : `${target.slice(0, mark)}?${query}`;
  }

  /** A line each, which no target and no value can hold. What isn't there has no colon. */
  #extras(request: RequestHead): string {
    let text = "";
    for (const field of this.#fields) {
      const value = peekField(request, field);
      text += value === null ? `\n${field.lowercase}` : `\n${field.lowercase}:${value}`;
      text += lookalikesOf(request, field);
    }
    for (const name of this.#cookies) {
      const value = cookieInKey(request, name);
      text += value === null ? `\ncookie ${name}` : `\ncookie ${name}:${value}`;
    }
    return text;
  }
}

const HTTP_URL = /^(https?):\/\/([^/?#\s]+)([^#\s]*)(?:#\S*)?$/i;
const NOT_LATIN1 = /[^\0-\xff]/;
const DEFAULT_PORTS: ReadonlyMap<string, string> = new Map([
  ["http", ":80"],
  ["https", ":443"],
]);

/** Scheme and authority as keys begin with them: `https://example.com`. */
export function originOf(host: string, scheme: string): string {
  return `${scheme}://${normalHost(host, scheme)}`;
}

/** What all spellings of an authority come to: in lower case, without a dot at the end of the name and a port that is needless. */
export function normalHost(host: string, scheme: string): string {
  const [, name = "", port = ""] = /^(.*?)(:\d*)?$/s.exec(host.toLowerCase()) ?? [];
  const isNeedless = port === ":" || port === DEFAULT_PORTS.get(scheme);
  return `${name.endsWith(".") ? name.slice(0, -1) : name}${isNeedless ? "" : port}`;
}
