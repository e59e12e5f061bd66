/*
 * HTTP/1 messages read slowly and so plainly that the rules can be checked by eye: whole text, one regular expression a
 * rule, no state. It shares nothing with the product and knows no limits of size.
 */

export type Field = readonly [name: string, value: string];

export interface Message {
  /** The first line's parts: method, target and minor version, or minor version, status and reason. */
  readonly start: readonly string[];
  readonly fields: readonly Field[];
  readonly body: string;
  readonly trailers: readonly Field[];
}

export interface Reading {
  readonly messages: readonly Message[];
  /** What is left after them: nothing, bytes against the rules, or the beginning of something. */
  readonly end: "clean" | "refused" | "unfinished";
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const text = "[\\t\\x20-\\x7e\\x80-\\xff]*";
const requestLine = new RegExp(`^(${token}) ([\\x21\\x22\\x24-\\x7e]+) HTTP/1\\.([0-9])$`);
const statusLine = new RegExp(`^HTTP/1\\.([0-9]) ([1-9][0-9][0-9])(?: (${text}))?$`);
const fieldLine = new RegExp(`^(${token}):[\\t ]*(${text}?)[\\t ]*$`);
const chunkLine = new RegExp(`^([0-9A-Fa-f]{1,13})(?:[\\t ]*;${text})?$`);
/** RFC 3986 without user information, and without commas: some read a list of hosts there. */
const authority = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+;=%]+)(:[0-9]{0,5})?$/;

class Refused extends Error {}
class Unfinished extends Error {}

function refuse(): never {
  throw new Refused();
}

/** Reads requests one after the other. */
export function readRequests(bytes: string): Reading {
  return readAll(bytes, readRequest);
}

/** Reads responses to GET one after the other; `isEnd`: the connection ended behind the bytes. */
export function readResponses(bytes: string, isEnd: boolean): Reading {
  return readAll(bytes, (rest) => readResponse(rest, isEnd));
}

type Step = { readonly message: Message; readonly length: number };

function readAll(bytes: string, read: (rest: string) => Step | null): Reading {
  const messages: Message[] = [];
  for (let at = 0; ; ) {
    try {
      const step = read(bytes.slice(at));
      if (step === null) return { messages, end: "clean" };
      messages.push(step.message);
      at += step.length;
    } catch (error) {
      if (error instanceof Refused) return { messages, end: "refused" };
      if (error instanceof Unfinished) return { messages, end: "unfinished" };
      throw error;
    }
  }
}

function readRequest(rest: string): Step | null {
  const skipped = /^(?:\r\n)*/.exec(rest)![0].length;
  if (skipped === rest.length) return null;
  const { lines, length } = readHead(rest.slice(skipped));
  const match = requestLine.exec(lines[0]!) ?? refuse();
  const start = match.slice(1);
  const fields = lines.slice(1).map(readField);
  checkRequest(start, fields);
  const body = readBody(rest.slice(skipped + length), fields, start[2]!, "none", false);
  return { message: { start, fields, ...body.parts }, length: skipped + length + body.length };
}

function readResponse(rest: string, isEnd: boolean): Step | null {
  if (rest === "") return null;
  const { lines, length } = readHead(rest);
  const match = statusLine.exec(lines[0]!) ?? refuse();
  const start = [match[1]!, match[2]!, match[3] ?? ""];
  const fields = lines.slice(1).map(readField);
  const status = Number(start[1]);
  checkFraming(fields, start[0]!);
  const isBodiless = status < 200 || status === 204 || status === 304;
  const framing = isBodiless ? [] : fields;
  const body = readBody(rest.slice(length), framing, start[0]!, isBodiless ? "none" : "close", isEnd);
  return { message: { start, fields, ...body.parts }, length: length + body.length };
}

/** The lines up to the empty one. */
function readHead(rest: string): { lines: string[]; length: number } {
  const end = rest.indexOf("\r\n\r\n");
  if (end === -1) throw new Unfinished();
  return { lines: rest.slice(0, end).split("\r\n"), length: end + 4 };
}

function readField(line: string): Field {
  const match = fieldLine.exec(line) ?? refuse();
  return [match[1]!, match[2]!];
}

function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

function checkFraming(fields: readonly Field[], minor: string): void {
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (lengths.length + codings.length > 1) refuse();
  if (lengths.length === 1 && !/^(0|[1-9][0-9]{0,14})$/.test(lengths[0]!)) refuse();
  if (codings.length === 1 && codings[0]!.toLowerCase() !== "chunked") refuse();
  if (codings.length === 1 && minor === "0") refuse();
  if (valuesOf(fields, "host").length > 1) refuse();
}

function checkRequest([method, target, minor]: readonly string[], fields: readonly Field[]): void {
  checkFraming(fields, minor!);
  const hosts = valuesOf(fields, "host");
  if (minor !== "0" && hosts.length !== 1) refuse();
  if (hosts.length === 1 && hosts[0] !== "" && !authority.test(hosts[0]!)) refuse();
  if (!isTargetOf(method!, target!)) refuse();
  const expectations = valuesOf(fields, "expect");
  if (minor !== "0" && expectations.length > 0 && expectations.join(", ").toLowerCase() !== "100-continue")
    refuse();
  const hasBody = valuesOf(fields, "content-length").some((length) => length !== "0");
  if (method === "CONNECT" && (hasBody || valuesOf(fields, "transfer-encoding").length > 0)) refuse();
}

function isTargetOf(method: string, target: string): boolean {
  if (method === "CONNECT") return authority.test(target) && /:[0-9]{1,5}$/.test(target);
  if (target.startsWith("/")) return true;
  if (target === "*") return method === "OPTIONS";
  const match = /^https?:\/\/([^/?]*)/i.exec(target);
  return match !== null && authority.test(match[1]!);
}

interface Body {
  readonly parts: { readonly body: string; readonly trailers: readonly Field[] };
  readonly length: number;
}

function readBody(
  rest: string,
  fields: readonly Field[],
  minor: string,
  otherwise: "none" | "close",
  isEnd: boolean,
): Body {
  const length = valuesOf(fields, "content-length")[0];
  if (valuesOf(fields, "transfer-encoding").length > 0) return readChunks(rest, minor);
  if (length === undefined && otherwise === "close") {
    if (!isEnd) throw new Unfinished();
    return { parts: { body: rest, trailers: [] }, length: rest.length };
  }
  const size = Number(length ?? 0);
  if (rest.length < size) throw new Unfinished();
  return { parts: { body: rest.slice(0, size), trailers: [] }, length: size };
}

function readChunks(rest: string, minor: string): Body {
  let body = "";
  let at = 0;
  for (;;) {
    const size = Number.parseInt((chunkLine.exec(readLine(rest, at)) ?? refuse())[1]!, 16);
    at += readLine(rest, at).length + 2;
    if (size === 0) break;
    if (rest.length < at + size) throw new Unfinished();
    body += rest.slice(at, at + size);
    at += size;
    if (rest.slice(at, at + 2) !== "\r\n") {
      if ("\r\n".startsWith(rest.slice(at, at + 2))) throw new Unfinished();
      refuse();
    }
    at += 2;
  }
  const trailers: Field[] = [];
  for (let line = readLine(rest, at); line !== ""; line = readLine(rest, at)) {
    trailers.push(readField(line));
    at += line.length + 2;
  }
  checkFraming(trailers, minor);
  return { parts: { body, trailers }, length: at + 2 };
}

function readLine(rest: string, at: number): string {
  const end = rest.indexOf("\r\n", at);
  if (end === -1) throw new Unfinished();
  return rest.slice(at, end);
}
