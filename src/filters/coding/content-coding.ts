import { type AlarmClock, threadAlarms } from "../../base/alarms.ts";
import { forgetBytes } from "../../http/body-fields.ts";
import { toFieldName } from "../../http/field-names.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../../http/heads.ts";
import { peekField } from "../../http/peek-field.ts";
import { isBodiless } from "../../http/status.ts";
import type { BodyCoder, BodyCoding, CoderOwner, OpenCoder, SessionCoding } from "../../proxy/body-coder.ts";
import { AcceptEncoding, toCodingName } from "./accept-encoding.ts";
import { DecodingWork, EncodingWork } from "./coder-works.ts";
import {
  CODINGS,
  type Coding,
  type CompressSettings,
  DEFAULT_COMPRESS,
  DEFAULT_DECOMPRESS,
  DEFAULT_LEVELS,
  type DecompressSettings,
} from "./coding-settings.ts";
import { ContentTypes, essenceOf } from "./content-types.ts";
import { addVary, forbidsTransforms, restoreTag } from "./representation.ts";
import { ZlibCoder } from "./zlib-coder.ts";

/** How the bodies of responses are coded. What is absent has its default. */
export interface ContentCodingOptions {
  /** Null or absent: nothing is compressed. */
  readonly compress?:
    | (Partial<Omit<CompressSettings, "levels">> & {
        readonly levels?: Partial<CompressSettings["levels"]>;
      })
    | null;
  /** Null or absent: what servers have coded stays coded. */
  readonly decompress?: Partial<DecompressSettings> | null;
  /** What tells that a sender pauses. Default: the clock of this thread. */
  readonly alarms?: AlarmClock;
}

const ACCEPT_ENCODING = toFieldName("accept-encoding");
const CONTENT_ENCODING = toFieldName("content-encoding");
const CONTENT_LENGTH = toFieldName("content-length");
const CONTENT_RANGE = toFieldName("content-range");
const CONTENT_TYPE = toFieldName("content-type");
const COOKIE = toFieldName("cookie");
const SET_COOKIE = toFieldName("set-cookie");

/** Every message is for somebody who waits for it. */
const EVENT_STREAM = "text/event-stream";
const NOT_MODIFIED = 304;
const RESET_CONTENT = 205;
const PARTIAL_CONTENT = 206;

/** Values of `Accept-Encoding` that are remembered: all of one browser are the same. */
const MOST_REMEMBERED = 256;

/**
 * Compresses the responses of sessions for clients that accept it, and decompresses those of servers for clients that don't:
 *
 *     server ─▶ [decoder] ─▶ plugins, filters ─▶ [encoder] ─▶ client
 *
 * One for all sessions that are treated alike: `use` it in a phase before the response.
 */
export class ContentCoding implements SessionCoding {
  readonly #compress: CompressSettings | null;
  readonly #decompress: DecompressSettings | null;
  readonly #types: ContentTypes;
  readonly #alarms: AlarmClock;
  readonly #chosen = new Map<string, Coding | null>();
  readonly #ways: EncodingWays | null;
  /** For those who wait for every message. */
  readonly #flushingWays: EncodingWays | null;

  /** @throws RangeError for a content type that is none */
  constructor({ compress = null, decompress = null, alarms = threadAlarms }: ContentCodingOptions) {
    const levels = { ...DEFAULT_LEVELS, ...compress?.levels };
    this.#compress = compress === null ? null : { ...DEFAULT_COMPRESS, ...compress, levels };
    this.#decompress = decompress === null ? null : { ...DEFAULT_DECOMPRESS, ...decompress };
    this.#types = new ContentTypes(this.#compress?.types ?? []);
    this.#alarms = alarms;
    this.#ways = this.#compress && toWays(this.#compress, alarms);
    this.#flushingWays = this.#compress && toFlushingWays(this.#compress, alarms);
  }

  /** Has this session's response coded, whoever makes it. To be called before there is one: at the latest in `upstreamPeer`. */
  use(session: { coding: SessionCoding | null }): void {
    session.coding = this;
  }

  // ── on the way to the client ───────────────────────────────────────────────────────────────────────────────────

  /** For the proxy. */
  encode(request: RequestHead, head: ResponseHead, length: BodyLength): BodyCoding | null {
    if (head.status === NOT_MODIFIED) this.#treatUnmodified(request, head);
    const settings = this.#compress;
    if (settings === null || !this.#isCompressible(settings, head, length)) return null;
    const way = this.#wayFor(settings, request, head);
    addVary(head.headers);
    if (way === null) return null;
    head.headers.set("Content-Encoding", way.coding);
    forgetBytes(head.headers);
    return way;
  }

  /** For the proxy. */
  choose(request: RequestHead, head: ResponseHead, length: BodyLength): BodyCoding | null {
    const settings = this.#compress;
    if (settings === null || !this.#isCompressible(settings, head, length)) return null;
    return this.#wayFor(settings, request, head);
  }

  /** How this client gets what may be compressed; null: as it is. */
  #wayFor(settings: CompressSettings, request: RequestHead, head: ResponseHead): EncodingWay | null {
    if (forbidsTransforms(request)) return null;
    if (!settings.cookies && hasCookies(request, head)) return null;
    const coding = this.#favourite(settings, request);
    if (coding === null) return null;
    const flushes = essenceOf(peekField(head, CONTENT_TYPE)!) === EVENT_STREAM;
    return (flushes ? this.#flushingWays : this.#ways)![coding];
  }

  /** Whether the client might have got it compressed, whatever it accepts. */
  #isCompressible({ minSize }: CompressSettings, head: ResponseHead, length: BodyLength): boolean {
    if (!hasCodableBody(head, length)) return false;
    const type = peekField(head, CONTENT_TYPE);
    if (type === null || !this.#types.has(type) || isCalls(type)) return false;
    if (codingOf(head) !== "" || forbidsTransforms(head)) return false;
    return (knownLength(head, length) ?? minSize) >= minSize;
  }

  #favourite({ codings }: CompressSettings, request: RequestHead): Coding | null {
    const value = peekField(request, ACCEPT_ENCODING);
    if (value === null) return null;
    const known = this.#chosen.get(value);
    if (known !== undefined) return known;
    const coding = new AcceptEncoding(value).choose(codings);
    if (this.#chosen.size >= MOST_REMEMBERED) this.#chosen.clear();
    this.#chosen.set(value, coding);
    return coding;
  }

  /** It has to say what the answer would have said that the client has. Often it has no type to know by whether that varies. */
  #treatUnmodified(request: RequestHead, { headers }: ResponseHead): void {
    const type = headers.get("content-type");
    const varies = this.#compress !== null && (type === null || this.#types.has(type));
    if (varies || this.#decompress !== null) addVary(headers);
    restoreTag(request, headers);
  }

  // ── from the server ────────────────────────────────────────────────────────────────────────────────────────────

  /** For the proxy. */
  decode(request: RequestHead, head: ResponseHead): OpenCoder | null {
    const settings = this.#decompress;
    if (settings === null || !hasCodableBody(head, head.body)) return null;
    const coding = codingOf(head);
    if (!isCoding(coding) || forbidsTransforms(head) || isCalls(peekField(head, CONTENT_TYPE) ?? ""))
      return null;
    const { headers } = head;
    addVary(headers);
    if (settings.when === "unaccepted") {
      const value = peekField(request, ACCEPT_ENCODING);
      if (value !== null && new AcceptEncoding(value).weightOf(coding) > 0) return null;
    }
    headers.delete("content-encoding");
    forgetBytes(headers);
    return (owner: CoderOwner) => new ZlibCoder(owner, new DecodingWork(coding, settings), this.#alarms);
  }
}

/** A part of a whole is no part of what becomes of that. */
function hasCodableBody(head: ResponseHead, length: BodyLength): boolean {
  const { status } = head;
  if (isBodiless(status) || status === PARTIAL_CONTENT || status === RESET_CONTENT || length === 0)
    return false;
  return peekField(head, CONTENT_RANGE) === null;
}

/** Of an answer to HEAD the field tells what a GET would bring, whose head it has to be (RFC 9110 §9.3.2). */
function knownLength(head: ResponseHead, length: BodyLength): number | null {
  if (typeof length === "number") return length;
  const declared = length === "none" ? peekField(head, CONTENT_LENGTH) : null;
  return declared === null ? null : Number(declared);
}

/** gRPC and gRPC-Web have their messages compressed by themselves, or not. */
function isCalls(type: string): boolean {
  return /^application\/grpc/i.test(type);
}

function hasCookies(request: RequestHead, head: ResponseHead): boolean {
  return peekField(request, COOKIE) !== null || peekField(head, SET_COOKIE) !== null;
}

/** How a body is coded; "" when it isn't. Several codings one after the other are a name that nobody knows. */
function codingOf(head: ResponseHead): string {
  const name = toCodingName(peekField(head, CONTENT_ENCODING) ?? "");
  return name === "identity" ? "" : name;
}

function isCoding(name: string): name is Coding {
  return CODINGS.some((coding) => coding === name);
}

type EncodingWays = Readonly<Record<Coding, EncodingWay>>;

function toWays({ levels, cachedLevels }: CompressSettings, alarms: AlarmClock): EncodingWays {
  const toWay = (coding: Coding): EncodingWay => {
    const level = levels[coding];
    const cachedLevel = cachedLevels[coding] ?? level;
    const forCopies =
      cachedLevel === level ? null : new EncodingWay({ coding, level: cachedLevel, flushes: false, alarms });
    return new EncodingWay({ coding, level, flushes: false, alarms }, forCopies);
  };
  return { zstd: toWay("zstd"), br: toWay("br"), gzip: toWay("gzip") };
}

function toFlushingWays({ levels }: CompressSettings, alarms: AlarmClock): EncodingWays {
  const toWay = (coding: Coding): EncodingWay =>
    new EncodingWay({ coding, level: levels[coding], flushes: true, alarms });
  return { zstd: toWay("zstd"), br: toWay("br"), gzip: toWay("gzip") };
}

interface EncodingOptions {
  readonly coding: Coding;
  readonly level: number;
  /** Whether everything comes out as soon as it went in. */
  readonly flushes: boolean;
  readonly alarms: AlarmClock;
}

/** A coding of one level. */
class EncodingWay implements BodyCoding {
  readonly name: string;
  readonly coding: Coding;
  readonly forCopies: BodyCoding;
  readonly isQuick: boolean;
  readonly #work: EncodingWork;
  readonly #alarms: AlarmClock;

  constructor({ coding, level, flushes, alarms }: EncodingOptions, forCopies: BodyCoding | null = null) {
    this.name = `${coding}${level}${flushes ? "f" : ""}`;
    this.coding = coding;
    this.forCopies = forCopies ?? this;
    this.#work = new EncodingWork(coding, level, flushes);
    this.isQuick = this.#work.wholeUpTo > 0;
    this.#alarms = alarms;
  }

  open(owner: CoderOwner, length: number | null): BodyCoder {
    return new ZlibCoder(owner, this.#work, this.#alarms, length);
  }
}
