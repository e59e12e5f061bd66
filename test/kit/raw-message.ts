import type { RawSocket } from "./raw-socket.ts";

export type HeaderLine = readonly [name: string, value: string];

/** How the end of a body was told. */
export type Framing = "none" | "length" | "chunked" | "end";

export interface RawMessage {
  readonly version: string;
  /** In the order and spelling of the wire. */
  readonly headers: readonly HeaderLine[];
  readonly framing: Framing;
  readonly body: Buffer;
  readonly trailers: readonly HeaderLine[];
  /** All values of a name in any spelling, joined by ", "; undefined without one. */
  header(name: string): string | undefined;
}

export interface RawResponse extends RawMessage {
  readonly status: number;
  readonly reason: string;
  /** The heads of the 1xx responses that came before. */
  readonly interim: readonly string[];
}

export interface RawRequest extends RawMessage {
  readonly method: string;
  readonly target: string;
}

export interface ReadResponseOptions {
  /** Of the request: the answer to HEAD has no body, nor has a good answer to CONNECT. */
  readonly method?: string;
  /** Takes the body piece by piece instead of `body`, for the ones that are too large to keep. */
  readonly onData?: (chunk: Buffer) => void;
}

interface Head {
  readonly start: RegExpMatchArray;
  readonly headers: readonly HeaderLine[];
}

interface Body {
  readonly body: Buffer;
  readonly trailers: readonly HeaderLine[];
}

/*
 * Independent of the product on purpose, slow and strict: a proxy that writes anything but plain RFC 9112 must fail
 * here, not be understood. No folded lines, no bare LF, no doubled or doubtful framing.
 */
const statusLine = /^(HTTP\/1\.[01]) ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) (HTTP\/1\.[01])$/;
const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/;
const chunkLine = /^([0-9a-fA-F]{1,12})(;[\t\x20-\x7e\x80-\xff]*)?$/;

/** Reads one final response; a 1xx before it goes into `interim`, but for 101, which is final. */
export async function readResponse(
  socket: RawSocket,
  options: ReadResponseOptions = {},
): Promise<RawResponse> {
  const interim: string[] = [];
  for (;;) {
    const text = await socket.readHead();
    const { start, headers } = parseHead(text, statusLine);
    const status = Number(start[2]);
    if (status < 200 && status !== 101) {
      interim.push(text);
      continue;
    }
    const framing = hasNoBody(status, options.method) ? "none" : framingOf(headers, "end");
    const read = await readBody(socket, framing, headers, options.onData);
    return {
      version: start[1] ?? "",
      status,
      reason: start[3] ?? "",
      interim,
      ...toMessage(headers, framing, read),
    };
  }
}

export async function readRequest(socket: RawSocket): Promise<RawRequest> {
  const { start, headers } = parseHead(await socket.readHead(), requestLine);
  const framing = framingOf(headers, "none");
  const read = await readBody(socket, framing, headers);
  return {
    method: start[1] ?? "",
    target: start[2] ?? "",
    version: start[3] ?? "",
    ...toMessage(headers, framing, read),
  };
}

function toMessage(
  headers: readonly HeaderLine[],
  framing: Framing,
  read: Body,
): Omit<RawMessage, "version"> {
  return { headers, framing, ...read, header: (name) => valuesOf(headers, name)?.join(", ") };
}

function parseHead(text: string, startPattern: RegExp): Head {
  const [first = "", ...lines] = text.slice(0, -"\r\n\r\n".length).split("\r\n");
  const start = startPattern.exec(first);
  if (start === null) throw new Error(`not a start line: ${JSON.stringify(first)}`);
  return { start, headers: lines.map(parseHeaderLine) };
}

function parseHeaderLine(line: string): HeaderLine {
  const match = headerLine.exec(line);
  if (match === null) throw new Error(`not a header line: ${JSON.stringify(line)}`);
  return [match[1] ?? "", match[2] ?? ""];
}

function valuesOf(headers: readonly HeaderLine[], name: string): string[] | undefined {
  const values = headers
    .filter(([key]) => key.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value);
  return values.length === 0 ? undefined : values;
}

function hasNoBody(status: number, method: string | undefined): boolean {
  if (status === 101 || status === 204 || status === 304 || method === "HEAD") return true;
  return method === "CONNECT" && status < 300;
}

function framingOf(headers: readonly HeaderLine[], otherwise: "none" | "end"): Framing {
  const codings = valuesOf(headers, "transfer-encoding");
  const lengths = valuesOf(headers, "content-length");
  if (codings !== undefined && lengths !== undefined) {
    throw new Error("both a transfer coding and a content length");
  }
  if (codings !== undefined) {
    if (codings.join() !== "chunked") throw new Error(`transfer coding ${JSON.stringify(codings.join())}`);
    return "chunked";
  }
  if (lengths === undefined) return otherwise;
  if (lengths.length > 1 || !/^\d{1,15}$/.test(lengths[0] ?? "")) {
    throw new Error(`content length ${JSON.stringify(lengths)}`);
  }
  return "length";
}

async function readBody(
  socket: RawSocket,
  framing: Framing,
  headers: readonly HeaderLine[],
  onData?: (chunk: Buffer) => void,
): Promise<Body> {
  const chunks: Buffer[] = [];
  const take = onData ?? ((chunk: Buffer) => chunks.push(chunk));
  let trailers: readonly HeaderLine[] = [];
  if (framing === "length") {
    await readLength(socket, Number(valuesOf(headers, "content-length")?.[0]), take);
  } else if (framing === "chunked") {
    trailers = await readChunks(socket, take);
  } else if (framing === "end") {
    await readToEnd(socket, take);
  }
  return { body: Buffer.concat(chunks), trailers };
}

async function readLength(socket: RawSocket, length: number, take: (chunk: Buffer) => void): Promise<void> {
  for (let left = length; left > 0; ) {
    const chunk = await socket.readSome(left);
    if (chunk.length === 0) throw new Error(`the body ended ${left} bytes short of ${length}`);
    take(chunk);
    left -= chunk.length;
  }
}

async function readChunks(socket: RawSocket, take: (chunk: Buffer) => void): Promise<readonly HeaderLine[]> {
  for (;;) {
    const line = await readLine(socket);
    const match = chunkLine.exec(line);
    if (match === null) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
    const size = Number.parseInt(match[1] ?? "", 16);
    if (size === 0) return readTrailers(socket);
    await readLength(socket, size, take);
    const end = await readLine(socket);
    if (end !== "") throw new Error(`a chunk goes past its size: ${JSON.stringify(end)}`);
  }
}

async function readTrailers(socket: RawSocket): Promise<readonly HeaderLine[]> {
  const trailers: HeaderLine[] = [];
  for (;;) {
    const line = await readLine(socket);
    if (line === "") return trailers;
    trailers.push(parseHeaderLine(line));
  }
}

async function readToEnd(socket: RawSocket, take: (chunk: Buffer) => void): Promise<void> {
  for (;;) {
    const chunk = await socket.readSome();
    if (chunk.length === 0) return;
    take(chunk);
  }
}

async function readLine(socket: RawSocket): Promise<string> {
  const line = await socket.readUntil("\r\n");
  return line.toString("latin1", 0, line.length - 2);
}
