import { CHARACTER_CLASS, DIGIT, HEX, TOKEN } from "../http/characters.ts";

const TAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const PERCENT = 0x25;
const OPEN = 0x28;
const CLOSE = 0x29;
const STAR = 0x2a;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUESTION = 0x3f;
const AT = 0x40;
const BACKSLASH = 0x5c;
const UNDERSCORE = 0x5f;

/** Digits of an integer; of a decimal before its point, and after it. */
const INTEGER_DIGITS = 15;
const DECIMAL_DIGITS = 12;
const FRACTION_DIGITS = 3;

/** Types of a member's value; those whose value nobody here needs are `Other`. */
export const ItemKind = { Other: 0, Integer: 1, Boolean: 2 } as const;

export type ItemKind = (typeof ItemKind)[keyof typeof ItemKind];

/**
 * Walks over the members of a structured field's dictionary (RFC 9651 §3.2, §4.2.2) where it lies, in one pass. Integers and
 * booleans have values; parameters and values of other types are checked and passed over.
 */
export class DictionaryReader {
  keyStart = 0;
  keyEnd = 0;
  kind: ItemKind = ItemKind.Other;
  /** Of an integer; 0 or 1 of a boolean. */
  value = 0;
  /** True once something was out of place: then the whole field is to be ignored. */
  failed = false;
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;
  #isFirst = true;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    let to = end;
    while (to > start && bytes[to - 1] === SPACE) to--;
    this.#end = to;
    this.#skipSpaces();
  }

  /** Reads the next member; false at the end, or where it failed. */
  next(): boolean {
    if (this.failed || this.#at >= this.#end) return false;
    if (!this.#isFirst && !this.#comma()) return this.#fail();
    this.#isFirst = false;
    this.keyStart = this.#at;
    if (!this.#key()) return this.#fail();
    this.keyEnd = this.#at;
    if (!this.#memberValue()) return this.#fail();
    const { kind, value } = this;
    if (!this.#parameters()) return this.#fail();
    this.kind = kind;
    this.value = value;
    return true;
  }

  #fail(): false {
    this.failed = true;
    return false;
  }

  /** The byte at hand, -1 at the end. */
  get #byte(): number {
    return this.#at < this.#end ? this.#bytes[this.#at]! : -1;
  }

  #take(byte: number): boolean {
    if (this.#byte !== byte) return false;
    this.#at++;
    return true;
  }

  #skipSpaces(): void {
    while (this.#byte === SPACE) this.#at++;
  }

  #skipBlanks(): void {
    while (this.#byte === SPACE || this.#byte === TAB) this.#at++;
  }

  /** A comma between members, which another member must follow. */
  #comma(): boolean {
    this.#skipBlanks();
    if (!this.#take(COMMA)) return false;
    this.#skipBlanks();
    return this.#at < this.#end;
  }

  #key(): boolean {
    if (!isLowercase(this.#byte) && this.#byte !== STAR) return false;
    do this.#at++;
    while (isKeyByte(this.#byte));
    return true;
  }

  /** A member without a value is true. */
  #memberValue(): boolean {
    if (!this.#take(EQUALS)) {
      this.kind = ItemKind.Boolean;
      this.value = 1;
      return true;
    }
    return this.#byte === OPEN ? this.#innerList() : this.#item();
  }

  #innerList(): boolean {
    this.#at++;
    for (;;) {
      this.#skipSpaces();
      if (this.#take(CLOSE)) break;
      if (!this.#item() || !this.#parameters()) return false;
      if (this.#byte !== SPACE && this.#byte !== CLOSE) return false;
    }
    this.kind = ItemKind.Other;
    return true;
  }

  #parameters(): boolean {
    while (this.#take(SEMICOLON)) {
      this.#skipSpaces();
      if (!this.#key()) return false;
      if (this.#take(EQUALS) && !this.#item()) return false;
    }
    return true;
  }

  #item(): boolean {
    const byte = this.#byte;
    if (byte === MINUS || isDigit(byte)) return this.#number();
    if (byte === QUESTION) return this.#boolean();
    this.kind = ItemKind.Other;
    if (byte === QUOTE) return this.#string();
    if (byte === COLON) return this.#byteSequence();
    if (byte === PERCENT) return this.#displayString();
    if (byte === AT) return this.#date();
    return this.#token();
  }

  #number(): boolean {
    const isNegative = this.#take(MINUS);
    const whole = this.#digits();
    if (whole === 0 || whole > INTEGER_DIGITS) return false;
    this.kind = ItemKind.Integer;
    if (isNegative) this.value = -this.value;
    if (!this.#take(DOT)) return true;
    this.kind = ItemKind.Other;
    const fraction = this.#digits();
    return whole <= DECIMAL_DIGITS && fraction > 0 && fraction <= FRACTION_DIGITS;
  }

  /** How many digits there were; `value` is their number. */
  #digits(): number {
    const from = this.#at;
    this.value = 0;
    for (; isDigit(this.#byte); this.#at++) this.value = this.value * 10 + this.#byte - ZERO;
    return this.#at - from;
  }

  #boolean(): boolean {
    this.#at++;
    const isTrue = this.#take(ZERO + 1);
    if (!isTrue && !this.#take(ZERO)) return false;
    this.kind = ItemKind.Boolean;
    this.value = isTrue ? 1 : 0;
    return true;
  }

  #date(): boolean {
    this.#at++;
    if (!this.#number() || this.kind !== ItemKind.Integer) return false;
    this.kind = ItemKind.Other;
    return true;
  }

  #string(): boolean {
    this.#at++;
    for (;;) {
      const byte = this.#byte;
      if (byte < SPACE || byte > 0x7e) return false;
      this.#at++;
      if (byte === QUOTE) return true;
      if (byte === BACKSLASH && !this.#take(QUOTE) && !this.#take(BACKSLASH)) return false;
    }
  }

  #byteSequence(): boolean {
    this.#at++;
    while (isBase64(this.#byte)) this.#at++;
    return this.#take(COLON);
  }

  /** `%"…"`, with bytes outside of ASCII as `%` and two lowercase digits. */
  #displayString(): boolean {
    this.#at++;
    if (!this.#take(QUOTE)) return false;
    for (;;) {
      const byte = this.#byte;
      if (byte < SPACE || byte > 0x7e) return false;
      this.#at++;
      if (byte === QUOTE) return true;
      if (byte === PERCENT && !(this.#lowercaseHex() && this.#lowercaseHex())) return false;
    }
  }

  #lowercaseHex(): boolean {
    const byte = this.#byte;
    if (!isDigit(byte) && !(isLowercase(byte) && (CHARACTER_CLASS[byte]! & HEX) !== 0)) return false;
    this.#at++;
    return true;
  }

  #token(): boolean {
    if (!isLetter(this.#byte) && this.#byte !== STAR) return false;
    do this.#at++;
    while (isTokenByte(this.#byte));
    return true;
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0 && (CHARACTER_CLASS[byte]! & DIGIT) !== 0;
}

function isLowercase(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}

function isLetter(byte: number): boolean {
  return isLowercase(byte | 0x20) && byte < 0x80 && byte >= 0;
}

function isKeyByte(byte: number): boolean {
  return (
    isLowercase(byte) ||
    isDigit(byte) ||
    byte === UNDERSCORE ||
    byte === MINUS ||
    byte === DOT ||
    byte === STAR
  );
}

function isTokenByte(byte: number): boolean {
  return byte >= 0 && ((CHARACTER_CLASS[byte]! & TOKEN) !== 0 || byte === COLON || byte === SLASH);
}

function isBase64(byte: number): boolean {
  return isLetter(byte) || isDigit(byte) || byte === 0x2b || byte === SLASH || byte === EQUALS;
}
