import { toServerName } from "./server-name.ts";

/** What a client says first, as far as anybody decides by it. */
export interface ClientHello {
  /** The name the client asks for, in lower case; "" when it names none. */
  readonly serverName: string;
  /** Protocols the client speaks on top, in its order; empty when it doesn't say. */
  readonly alpn: readonly string[];
  /** Versions the client offers, as on the wire: 0x0304 is TLS 1.3. Unknown ones (GREASE) are among them. */
  readonly versions: readonly number[];
  /** True when it offers to resume a session, by ticket or by pre-shared key. */
  readonly offersSession: boolean;
  /** True when it wants the certificate's status stapled. */
  readonly wantsStatus: boolean;
}

/** Why something is no ClientHello that we take. */
export const HELLO_PROBLEMS = {
  NOT_TLS: "The client doesn't speak TLS",
  SSL_2: "The client speaks SSL 2",
  RECORD: "A record breaks TLS's rules",
  NO_HELLO: "The client doesn't begin with a ClientHello",
  TOO_LONG: "The ClientHello is over the limit",
  MALFORMED: "The ClientHello is malformed",
  EXTENSION: "An extension of the ClientHello is malformed or comes twice",
  SERVER_NAME: "The ClientHello asks for a server name that is none",
  ENDED: "The client ended before its ClientHello did",
} as const;

export type HelloProblem = keyof typeof HELLO_PROBLEMS;

/** Numbers of extensions, by IANA's registry. */
const Extension = {
  ServerName: 0,
  StatusRequest: 5,
  Alpn: 16,
  SessionTicket: 35,
  PreSharedKey: 41,
  SupportedVersions: 43,
} as const;

const RANDOM_LENGTH = 32;
const LONGEST_SESSION_ID = 32;
/** More than any client has; each costs a look into the table of those seen. */
const MOST_EXTENSIONS = 256;

/** Thrown within this file only: a parser of nested lengths would otherwise ask after every step. */
class Refusal extends Error {
  readonly problem: HelloProblem;

  constructor(problem: HelloProblem) {
    super(problem);
    this.problem = problem;
  }
}

/**
 * Reads the body of a ClientHello, behind the four bytes of its handshake header (RFC 8446 §4.1.2). Every length must be
 * exactly that of what it counts, and no extension may come twice: two readers that differ in such a case would route a
 * connection one way and answer it another.
 */
export function parseClientHello(bytes: Buffer, start: number, end: number): ClientHello | HelloProblem {
  try {
    return readHello(new Cursor(bytes, start, end));
  } catch (error) {
    if (error instanceof Refusal) return error.problem;
    throw error;
  }
}

function readHello(body: Cursor): ClientHello {
  const legacyVersion = body.uint16();
  if (legacyVersion >> 8 !== 3) throw new Refusal("MALFORMED");
  body.skip(RANDOM_LENGTH);
  const sessionId = body.vector8();
  const suites = body.vector16();
  const compressions = body.vector8();
  if (sessionId.left > LONGEST_SESSION_ID || compressions.left === 0) throw new Refusal("MALFORMED");
  if (suites.left === 0 || suites.left % 2 !== 0) throw new Refusal("MALFORMED");
  const found = new FoundExtensions(legacyVersion);
  // Before TLS 1.3 a hello may end without extensions (RFC 5246 §7.4.1.2).
  if (body.left > 0) {
    found.read(body.vector16());
    body.expectEnd("MALFORMED");
  }
  return found;
}

class FoundExtensions implements ClientHello {
  serverName = "";
  alpn: readonly string[] = [];
  versions: readonly number[];
  offersSession = false;
  wantsStatus = false;

  constructor(legacyVersion: number) {
    this.versions = [legacyVersion];
  }

  read(extensions: Cursor): void {
    const seen = new Set<number>();
    while (extensions.left > 0) {
      const type = extensions.uint16();
      const value = extensions.vector16();
      if (seen.has(type) || seen.size === MOST_EXTENSIONS) throw new Refusal("EXTENSION");
      seen.add(type);
      this.#take(type, value);
      // RFC 8446 §4.2.11: its binder covers all that stands before it.
      if (type === Extension.PreSharedKey && extensions.left > 0) throw new Refusal("EXTENSION");
    }
  }

  #take(type: number, value: Cursor): void {
    switch (type) {
      case Extension.ServerName:
        this.serverName = readServerName(value);
        break;
      case Extension.Alpn:
        this.alpn = readProtocols(value);
        break;
      case Extension.SupportedVersions:
        this.versions = readVersions(value);
        break;
      case Extension.SessionTicket:
        this.offersSession ||= value.left > 0;
        break;
      case Extension.PreSharedKey:
        this.offersSession = true;
        break;
      case Extension.StatusRequest:
        this.wantsStatus = true;
        break;
    }
  }
}

/** RFC 6066 §3: of names there is one type, and of each type there may be one name. */
function readServerName(value: Cursor): string {
  value.fails = "SERVER_NAME";
  const list = value.vector16();
  value.expectEnd("SERVER_NAME");
  list.fails = "SERVER_NAME";
  if (list.uint8() !== 0) throw new Refusal("SERVER_NAME");
  const name = list.vector16();
  list.expectEnd("SERVER_NAME");
  const checked = toServerName(name.text());
  if (checked === null) throw new Refusal("SERVER_NAME");
  return checked;
}

/** RFC 7301 §3.1 */
function readProtocols(value: Cursor): string[] {
  value.fails = "EXTENSION";
  const list = value.vector16();
  value.expectEnd("EXTENSION");
  const protocols: string[] = [];
  while (list.left > 0) {
    const name = list.vector8();
    if (name.left === 0) throw new Refusal("EXTENSION");
    protocols.push(name.text());
  }
  if (protocols.length === 0) throw new Refusal("EXTENSION");
  return protocols;
}

/** RFC 8446 §4.2.1 */
function readVersions(value: Cursor): number[] {
  value.fails = "EXTENSION";
  const list = value.vector8();
  value.expectEnd("EXTENSION");
  const versions: number[] = [];
  while (list.left > 0) versions.push(list.uint16());
  if (versions.length === 0) throw new Refusal("EXTENSION");
  return versions;
}

/** Goes through bytes and what is nested in them; refuses whatever reaches beyond its end. */
class Cursor {
  fails: HelloProblem = "MALFORMED";
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  uint8(): number {
    const at = this.skip(1);
    return this.#bytes[at]!;
  }

  uint16(): number {
    const at = this.skip(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  /** What a length of one byte counts. */
  vector8(): Cursor {
    return this.#vector(this.uint8());
  }

  /** What a length of two bytes counts. */
  vector16(): Cursor {
    return this.#vector(this.uint16());
  }

  #vector(length: number): Cursor {
    const start = this.skip(length);
    const inner = new Cursor(this.#bytes, start, start + length);
    inner.fails = this.fails;
    return inner;
  }

  /** Returns where the bytes that it leaves behind begin. */
  skip(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw new Refusal(this.fails);
    this.#at = start + length;
    return start;
  }

  /** All that is left. */
  text(): string {
    return this.#bytes.toString("latin1", this.#at, this.#end);
  }

  expectEnd(problem: HelloProblem): void {
    if (this.left > 0) throw new Refusal(problem);
  }
}
