import { type ClientHello, type HelloProblem, parseClientHello } from "./client-hello.ts";

/** What the first bytes of a connection turned out to be. */
export type HelloOutcome =
  /** More has to come. */
  | { readonly kind: "incomplete" }
  | { readonly kind: "hello"; readonly hello: ClientHello }
  /** An HTTP request without TLS, by its first letter. */
  | { readonly kind: "http" }
  | { readonly kind: "refused"; readonly problem: HelloProblem };

/** Bytes of a handshake message. Hellos have 200 to 2000; post-quantum key shares and tickets come on top. */
const LONGEST_HELLO = 16 * 1024;

const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
const LONGEST_RECORD = 16 * 1024;
/** Records that one hello may be spread over: each costs its sender five bytes and us more. */
const MOST_RECORDS = 64;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
/** All of Alerts, ApplicationData and so on: TLS, but not its beginning. */
const FIRST_RECORD_TYPE = 20;
const LAST_RECORD_TYPE = 24;

const INCOMPLETE: HelloOutcome = { kind: "incomplete" };
const HTTP: HelloOutcome = { kind: "http" };
const NOTHING = Buffer.alloc(0);

/**
 * Finds the ClientHello that a connection begins with, however it is cut: into segments by the network, and into records
 * by the client (RFC 8446 §5.1). What it read stays whole, for whoever gets the connection reads it again.
 *
 *     segments:   |──────────|─────────────────|──────────|
 *     records:    |5| fragment      |5| fragment   | whatever follows
 *     handshake:      |4| ClientHello ────────────|
 *
 * Each byte is looked at once, so that a client that sends single bytes costs no more than they do.
 */
export class HelloReader {
  /** All that was read, from the first byte on. */
  bytes: Buffer = NOTHING;
  #length = 0;
  /** Where the next record begins. */
  #at = 0;
  #records = 0;
  #message: Buffer = NOTHING;
  #messageLength = 0;
  readonly #longest: number;

  constructor(longest: number = LONGEST_HELLO) {
    this.#longest = longest;
  }

  /** Takes the next bytes, which are the reader's from now on. Nothing may come after an outcome other than "incomplete". */
  read(chunk: Buffer): HelloOutcome {
    this.#keep(chunk);
    for (;;) {
      const outcome = this.#readRecord();
      if (outcome !== null) return outcome;
    }
  }

  /** All that was read so far, as one buffer. */
  get received(): Buffer {
    return this.bytes.subarray(0, this.#length);
  }

  #keep(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (this.#length === 0) this.bytes = chunk;
    else if (length <= this.bytes.length && this.#length > 0) chunk.copy(this.bytes, this.#length);
    else {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.bytes.length));
      this.bytes.copy(larger, 0, 0, this.#length);
      chunk.copy(larger, this.#length);
      this.bytes = larger;
    }
    this.#length = length;
  }

  /** One record; null when another one is to be read. */
  #readRecord(): HelloOutcome | null {
    const { bytes } = this;
    const at = this.#at;
    const available = this.#length - at;
    if (available === 0) return INCOMPLETE;
    const type = bytes[at]!;
    if (type !== HANDSHAKE_RECORD) return this.#records === 0 ? notAHello(type) : refuse("RECORD");
    if (available > 1 && bytes[at + 1] !== 3) return refuse("RECORD");
    if (available < RECORD_HEADER) return INCOMPLETE;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > LONGEST_RECORD) return refuse("RECORD");
    const start = at + RECORD_HEADER;
    const early = this.#records === 0 ? this.#lookAhead(start, length) : null;
    if (early !== null) return early;
    if (available < RECORD_HEADER + length) return INCOMPLETE;
    this.#at = start + length;
    if (++this.#records > MOST_RECORDS) return refuse("RECORD");
    return this.#takeFragment(start, length);
  }

  /** What the first bytes of the first record tell already: nobody should have to send all of what is refused in the end. */
  #lookAhead(start: number, length: number): HelloOutcome | null {
    const { bytes } = this;
    if (this.#length > start && bytes[start] !== CLIENT_HELLO) return refuse("NO_HELLO");
    if (this.#length < start + HANDSHAKE_HEADER || length < HANDSHAKE_HEADER) return null;
    const message = bytes.readUIntBE(start + 1, 3);
    if (message > this.#longest) return refuse("TOO_LONG");
    return length > HANDSHAKE_HEADER + message ? refuse("RECORD") : null;
  }

  #takeFragment(start: number, length: number): HelloOutcome | null {
    const { bytes } = this;
    if (this.#messageLength === 0 && isWhole(bytes, start, length)) {
      return parse(bytes, start + HANDSHAKE_HEADER, start + length);
    }
    const total = this.#messageLength + length;
    if (total > this.#longest + HANDSHAKE_HEADER) return refuse("TOO_LONG");
    if (total > this.#message.length) this.#growMessage(total);
    bytes.copy(this.#message, this.#messageLength, start, start + length);
    this.#messageLength = total;
    return this.#judgeMessage();
  }

  #growMessage(atLeast: number): void {
    const larger = Buffer.allocUnsafe(Math.max(atLeast, 2 * this.#message.length));
    this.#message.copy(larger, 0, 0, this.#messageLength);
    this.#message = larger;
  }

  #judgeMessage(): HelloOutcome | null {
    const message = this.#message;
    const length = this.#messageLength;
    if (message[0] !== CLIENT_HELLO) return refuse("NO_HELLO");
    if (length < HANDSHAKE_HEADER) return null;
    const whole = HANDSHAKE_HEADER + message.readUIntBE(1, 3);
    if (whole > this.#longest + HANDSHAKE_HEADER) return refuse("TOO_LONG");
    if (length < whole) return null;
    // Nothing else may share a record with the hello: keys change behind it (RFC 8446 §5.1).
    return length > whole ? refuse("RECORD") : parse(message, HANDSHAKE_HEADER, length);
  }
}

function isWhole(bytes: Buffer, start: number, length: number): boolean {
  return length >= HANDSHAKE_HEADER && bytes.readUIntBE(start + 1, 3) === length - HANDSHAKE_HEADER;
}

function parse(bytes: Buffer, start: number, end: number): HelloOutcome {
  const hello = parseClientHello(bytes, start, end);
  return typeof hello === "string" ? refuse(hello) : { kind: "hello", hello };
}

/** What the first byte says when it isn't a handshake's. */
function notAHello(type: number): HelloOutcome {
  const letter = type & 0xdf;
  if (letter >= 0x41 && letter <= 0x5a) return HTTP;
  if (type >= FIRST_RECORD_TYPE && type <= LAST_RECORD_TYPE) return refuse("NO_HELLO");
  return refuse((type & 0x80) !== 0 ? "SSL_2" : "NOT_TLS");
}

function refuse(problem: HelloProblem): HelloOutcome {
  return { kind: "refused", problem };
}
