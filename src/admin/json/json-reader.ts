import type { JsonMember, JsonValue } from "./json-value.ts";
import { quoteByte } from "./quote-byte.ts";

/** What is no JSON, in the words that Go's `encoding/json` has for it. */
export class JsonSyntaxError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "JsonSyntaxError";
  }
}

/**
 * Reads the first JSON value of a text and leaves what follows, as Go's stream decoder does: an object may have
 * anything behind it.
 * @throws JsonSyntaxError
 */
export function readFirstJson(bytes: Uint8Array): JsonValue {
  return new JsonReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")).read();
}

/** Deeper than anything that is sent to be understood, and far from the end of the stack. */
const MAX_DEPTH = 1_000;
const NULL: JsonValue = { kind: "null" };
const TRUE: JsonValue = { kind: "bool", value: true };
const FALSE: JsonValue = { kind: "bool", value: false };
const ESCAPED = 'bfnrt\\/"';

class JsonReader {
  /** One character a byte: Go's errors name bytes. */
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): JsonValue {
    this.#skipSpace();
    if (this.#at === this.#text.length) throw new JsonSyntaxError("EOF");
    return this.#value();
  }

  #value(): JsonValue {
    this.#skipSpace();
    const c = this.#peek();
    if (c === "{") return this.#nested(() => this.#object());
    if (c === "[") return this.#nested(() => this.#array());
    if (c === '"') return { kind: "string", value: this.#string() };
    if (c === "t") return this.#literal("true", TRUE);
    if (c === "f") return this.#literal("false", FALSE);
    if (c === "n") return this.#literal("null", NULL);
    if (c === "-" || isDigit(c)) return this.#number();
    throw this.#unexpected("looking for beginning of value");
  }

  #nested(read: () => JsonValue): JsonValue {
    if (this.#depth === MAX_DEPTH) throw this.#unexpected("exceeded max depth");
    this.#depth++;
    this.#at++;
    const value = read();
    this.#depth--;
    return value;
  }

  #object(): JsonValue {
    const members: JsonMember[] = [];
    if (this.#skipIf("}")) return { kind: "object", members };
    do members.push(this.#member());
    while (this.#goesOn("}", "after object key:value pair"));
    return { kind: "object", members };
  }

  #member(): JsonMember {
    this.#skipSpace();
    if (this.#peek() !== '"') throw this.#unexpected("looking for beginning of object key string");
    const key = this.#string();
    if (!this.#skipIf(":")) throw this.#unexpected("after object key");
    return [key, this.#value()];
  }

  #array(): JsonValue {
    const items: JsonValue[] = [];
    if (this.#skipIf("]")) return { kind: "array", items };
    do items.push(this.#value());
    while (this.#goesOn("]", "after array element"));
    return { kind: "array", items };
  }

  /** Whether another element follows, or the end. */
  #goesOn(end: string, context: string): boolean {
    if (this.#skipIf(",")) return true;
    if (this.#skipIf(end)) return false;
    throw this.#unexpected(context);
  }

  #literal<T extends JsonValue>(word: string, value: T): T {
    for (const expected of word) {
      if (this.#peek() !== expected) throw this.#unexpected(`in literal ${word} (expecting '${expected}')`);
      this.#at++;
    }
    return value;
  }

  #number(): JsonValue {
    const start = this.#at;
    if (this.#peek() === "-") this.#at++;
    if (!isDigit(this.#peek())) throw this.#unexpected("in numeric literal");
    // A number begins with one zero or with none; what follows a zero isn't part of it.
    if (this.#peek() === "0") this.#at++;
    else this.#digits("");
    if (this.#take(".")) this.#digits("after decimal point in numeric literal");
    if (this.#take("e", "E")) {
      this.#take("+", "-");
      this.#digits("in exponent of numeric literal");
    }
    return { kind: "number", digits: this.#text.slice(start, this.#at) };
  }

  #digits(context: string): void {
    if (!isDigit(this.#peek())) throw this.#unexpected(context);
    while (isDigit(this.#text[this.#at] ?? "")) this.#at++;
  }

  #take(...characters: readonly string[]): boolean {
    const isThere = characters.includes(this.#text[this.#at] ?? "");
    if (isThere) this.#at++;
    return isThere;
  }

  #string(): string {
    const start = this.#at++;
    let isEscaped = false;
    for (;;) {
      const c = this.#peek();
      if (c < " ") throw this.#unexpected("in string literal");
      this.#at++;
      if (c === '"') break;
      if (c !== "\\") continue;
      isEscaped = true;
      this.#escape();
    }
    const quoted = Buffer.from(this.#text.slice(start, this.#at), "latin1").toString();
    return isEscaped ? (JSON.parse(quoted) as string).toWellFormed() : quoted.slice(1, -1);
  }

  #escape(): void {
    const c = this.#peek();
    if (c !== "u" && !ESCAPED.includes(c)) throw this.#unexpected("in string escape code");
    this.#at++;
    if (c !== "u") return;
    for (const end = this.#at + 4; this.#at < end; this.#at++) {
      if (!/[\da-f]/i.test(this.#peek())) throw this.#unexpected("in \\u hexadecimal character escape");
    }
  }

  #skipSpace(): void {
    while (" \t\r\n".includes(this.#text[this.#at] ?? "end")) this.#at++;
  }

  #skipIf(character: string): boolean {
    this.#skipSpace();
    return this.#take(character);
  }

  /** @throws JsonSyntaxError at the end of the text: where this is called, more has to come */
  #peek(): string {
    const c = this.#text[this.#at];
    if (c === undefined) throw new JsonSyntaxError("unexpected EOF");
    return c;
  }

  #unexpected(context: string): JsonSyntaxError {
    const c = this.#peek();
    return new JsonSyntaxError(`invalid character ${quoteByte(c.charCodeAt(0))} ${context}`);
  }
}

function isDigit(c: string): boolean {
  return c >= "0" && c <= "9";
}
