import { isFieldValue, isRequestTarget, isToken } from "./characters.ts";
import { EMPTY_SOURCE, type HeadSource } from "./field-table.ts";
import { type HeadersInit, HttpHeaders } from "./http-headers.ts";
import { reasonPhrase } from "./status.ts";

/** How long a body is: there is none, a number of bytes, or only its end will tell. */
export type BodyLength = number | "none" | "unknown";

/** The received bytes behind a request head. */
export interface RequestSource extends HeadSource {
  method(): string;
  target(): string;
  /** Where the target stands in the table's bytes; both -1 when it doesn't. */
  readonly targetStart: number;
  readonly targetEnd: number;
}

/** The received bytes behind a response head. */
export interface ResponseSource extends HeadSource {
  reason(): string;
  /** Where all fields stand in one piece, for who needs no more than that; absent: the table tells. */
  readonly run?: FieldRun | null;
}

/** The lines of a section of fields: `bytes[start..end)`. */
export interface FieldRun {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** What both heads have: fields over received bytes, made only when somebody asks for them. */
abstract class Head<Source extends HeadSource> {
  /** @internal */
  readonly source: Source;
  /** The body as its sender framed it. */
  readonly body: BodyLength;
  /** @internal true once the first line differs from what was received. */
  lineChanged = false;
  /** @internal bit `1 << FieldId` for every known field that was received. */
  present = 0;
  /** @internal null as long as nobody looked at the headers, hence unchanged. */
  touchedHeaders: HttpHeaders | null = null;

  constructor(source: Source, body: BodyLength) {
    this.source = source;
    this.body = body;
  }

  get headers(): HttpHeaders {
    this.touchedHeaders ??= new HttpHeaders(this.source);
    return this.touchedHeaders;
  }

  protected shareHeadersWith(copy: Head<Source>): void {
    copy.touchedHeaders = this.touchedHeaders?.fork() ?? null;
    copy.lineChanged = this.lineChanged;
    copy.present = this.present;
  }
}

/** The last host that was set. Clients of one site send one host: it needn't be checked again for every request. */
let lastHost = "";

function checkField(name: string, value: string): void {
  if (!isFieldValue(value)) throw new TypeError(`${name} can't be ${JSON.stringify(value)}`);
}

/** The head of a request. Untouched parts stay the bytes they came as. */
export class RequestHead extends Head<RequestSource> {
  /** The protocol it was made in: `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`. */
  protocol = "HTTP/1.1";
  /** True when the client waits for a 100 before it sends the body. */
  expectsContinue = false;
  #method: string | null = null;
  #target: string | null = null;
  #host = "";
  #upgrade: string | null = null;

  /** A request made here. @throws TypeError as the setters do */
  static from(init: {
    method?: string;
    target: string;
    headers?: HeadersInit;
    body?: BodyLength;
  }): RequestHead {
    const head = new RequestHead(MADE_REQUEST, init.body ?? "none");
    head.touchedHeaders = HttpHeaders.from(init.headers ?? []);
    head.method = init.method ?? "GET";
    head.target = init.target;
    return head;
  }

  get method(): string {
    this.#method ??= this.source.method();
    return this.#method;
  }

  /** @throws TypeError when it isn't a token */
  set method(method: string) {
    if (!isToken(method)) throw new TypeError(`Method ${JSON.stringify(method)} is not a token`);
    this.#method = method;
    this.lineChanged = true;
  }

  /** The request target in origin form (`/path?query`), or `*`, or `host:port` of a CONNECT. */
  get target(): string {
    this.#target ??= this.source.target();
    return this.#target;
  }

  /** @throws TypeError when it holds white space, control or non-ASCII characters, or `#` */
  set target(target: string) {
    if (!isRequestTarget(target))
      throw new TypeError(`Request target ${JSON.stringify(target)} is not allowed`);
    this.#target = target;
    this.lineChanged = true;
  }

  /** The target up to the query. Percent-encoding is left as it is. */
  get path(): string {
    const { target } = this;
    const mark = target.indexOf("?");
    return mark === -1 ? target : target.slice(0, mark);
  }

  /** Replaces the path and keeps the query. */
  set path(path: string) {
    const { query } = this;
    this.target = query === null ? path : `${path}?${query}`;
  }

  /** What follows the `?`, without it; null when there is none. */
  get query(): string | null {
    const { target } = this;
    const mark = target.indexOf("?");
    return mark === -1 ? null : target.slice(mark + 1);
  }

  set query(query: string | null) {
    const { path } = this;
    this.target = query === null ? path : `${path}?${query}`;
  }

  /** The authority the client asked for: `Host`, or what an absolute target named. "" when there was none. */
  get host(): string {
    return this.#host;
  }

  /** What servers are told as `X-Forwarded-Host`; their `Host` is a field. @throws TypeError as `headers.set` does */
  set host(host: string) {
    if (host !== lastHost) checkField("Host", host);
    lastHost = host;
    this.#host = host;
  }

  /** Protocols the client asks to change to (`Upgrade`), null when it doesn't. */
  get upgrade(): string | null {
    return this.#upgrade;
  }

  /** @throws TypeError as `headers.set` does */
  set upgrade(protocols: string | null) {
    if (protocols !== null) checkField("Upgrade", protocols);
    this.#upgrade = protocols;
  }

  /**
   * A copy to change for the upstream; this one stays what the client sent.
   * @param body how its body is framed, where that isn't as it came
   */
  fork(body: BodyLength = this.body): RequestHead {
    const copy = new RequestHead(this.source, body);
    copy.#method = this.#method;
    copy.#target = this.#target;
    copy.protocol = this.protocol;
    copy.#host = this.#host;
    copy.#upgrade = this.#upgrade;
    copy.expectsContinue = this.expectsContinue;
    this.shareHeadersWith(copy);
    return copy;
  }
}

/** The head of a response. */
export class ResponseHead extends Head<ResponseSource> {
  /**
   * @internal fields as whole lines, each ended by CRLF, that are sent behind the others. They become fields like those once
   * somebody asks for headers; as long as nobody does, that costs a fraction.
   */
  ownLines = "";
  /** @internal the same as bytes, where somebody keeps them for many; else null */
  ownBytes: Buffer | null = null;
  #status: number;
  #reason: string | null = null;

  constructor(source: ResponseSource, status: number, body: BodyLength) {
    super(source, body);
    this.#status = status;
  }

  /** A response made here. @throws RangeError, TypeError as the setters do */
  static from(init: {
    status: number;
    reason?: string;
    headers?: HeadersInit;
    body?: BodyLength;
  }): ResponseHead {
    const head = new ResponseHead(MADE_RESPONSE, init.status, init.body ?? "none");
    head.touchedHeaders = HttpHeaders.from(init.headers ?? []);
    head.status = init.status;
    if (init.reason !== undefined) head.reason = init.reason;
    return head;
  }

  override get headers(): HttpHeaders {
    const headers = super.headers;
    if (this.ownLines !== "") this.#adoptLines(headers);
    return headers;
  }

  #adoptLines(headers: HttpHeaders): void {
    const lines = this.ownLines.split("\r\n");
    this.ownLines = "";
    this.ownBytes = null;
    for (const line of lines.slice(0, -1)) {
      const colon = line.indexOf(":");
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
  }

  /** A copy whose body is framed otherwise: changes to one don't show in the other. */
  fork(body: BodyLength): ResponseHead {
    const copy = new ResponseHead(this.source, this.#status, body);
    copy.#reason = this.#reason;
    copy.ownLines = this.ownLines;
    copy.ownBytes = this.ownBytes;
    this.shareHeadersWith(copy);
    return copy;
  }

  get status(): number {
    return this.#status;
  }

  /** Sets the status and its standard reason. @throws RangeError outside of 100 to 999 */
  set status(status: number) {
    if (!Number.isInteger(status) || status < 100 || status > 999)
      throw new RangeError(`${status} is no status`);
    this.#status = status;
    this.#reason = reasonPhrase(status);
    this.lineChanged = true;
  }

  get reason(): string {
    this.#reason ??= this.source.reason();
    return this.#reason;
  }

  /** Control and non-latin1 characters are left out. */
  set reason(reason: string) {
    this.#reason = reason.replace(/[^\t\x20-\x7e\x80-\xff]/g, "");
    this.lineChanged = true;
  }
}

const MADE_REQUEST: RequestSource = {
  ...EMPTY_SOURCE,
  method: () => "GET",
  target: () => "/",
  targetStart: -1,
  targetEnd: -1,
};
const MADE_RESPONSE: ResponseSource = { ...EMPTY_SOURCE, reason: () => "" };
