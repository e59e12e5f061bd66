/** What follows a head: a body of so many bytes, or one of these. */
export const CHUNKED = -1;
export const UNTIL_CLOSE = -2;

/** What is made of the messages of a connection. Each method throws when it doesn't like what it gets. */
export interface MessageHandler {
  /** @returns bytes of the body that follows, `CHUNKED` or `UNTIL_CLOSE` */
  onHead(head: string): number;
  /** The bytes are borrowed. */
  onBody(bytes: Buffer): void;
  onMessage(): void;
}

const State = {
  Head: 0,
  Length: 1,
  ChunkSize: 2,
  Chunk: 3,
  ChunkEnd: 4,
  Trailers: 5,
  UntilClose: 6,
} as const;

const headEnd = Buffer.from("\r\n\r\n");
const lineFeed = 10;
const longestHead = 16 * 1024;

/**
 * Cuts a stream of bytes into HTTP/1.1 messages. Of its own making and strict, so that what a proxy gets wrong is not
 * understood by accident; quick, because millions of messages go through it.
 */
export class MessageReader {
  readonly #handler: MessageHandler;
  #state: number = State.Head;
  /** The beginning of a head or a line. */
  #text = "";
  #left = 0;
  #stopped = false;

  constructor(handler: MessageHandler) {
    this.#handler = handler;
  }

  /** True while the end of the connection is a proper end of the body. */
  get endsWithConnection(): boolean {
    return this.#state === State.UntilClose;
  }

  /** Nothing that still comes is looked at. */
  stop(): void {
    this.#stopped = true;
  }

  feed(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.#stopped) at = this.#step(bytes, at);
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case State.Head:
        return this.#readHead(bytes, at);
      case State.Length:
      case State.Chunk:
        return this.#readBody(bytes, at);
      case State.UntilClose:
        this.#handler.onBody(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
      default:
        return this.#readLine(bytes, at);
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    if (this.#text !== "") return this.#growHead(bytes, at);
    const end = bytes.indexOf(headEnd, at);
    this.#text = bytes.toString("latin1", at, end === -1 ? bytes.length : end);
    if (end === -1) return bytes.length;
    this.#takeHead();
    return end + headEnd.length;
  }

  /** A head that came in pieces; rare, so that it may be slow. */
  #growHead(bytes: Buffer, at: number): number {
    const before = this.#text.length;
    const all = this.#text + bytes.toString("latin1", at, bytes.length);
    const end = all.indexOf("\r\n\r\n");
    if (end === -1 && all.length > longestHead) throw new Error(`an endless head: ${all.slice(0, 100)}`);
    this.#text = end === -1 ? all : all.slice(0, end);
    if (end === -1) return bytes.length;
    this.#takeHead();
    return at + end + headEnd.length - before;
  }

  #takeHead(): void {
    const head = this.#text;
    this.#text = "";
    const length = this.#handler.onHead(head);
    if (length === UNTIL_CLOSE) this.#state = State.UntilClose;
    else if (length === CHUNKED) this.#state = State.ChunkSize;
    else if (length > 0) {
      this.#state = State.Length;
      this.#left = length;
    } else this.#handler.onMessage();
  }

  #readBody(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    const isLast = this.#left === 0 && this.#state === State.Length;
    if (this.#left === 0) this.#state = isLast ? State.Head : State.ChunkEnd;
    this.#handler.onBody(bytes.subarray(at, end));
    if (isLast && !this.#stopped) this.#handler.onMessage();
    return end;
  }

  #readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(lineFeed, at);
    this.#text += bytes.toString("latin1", at, end === -1 ? bytes.length : end + 1);
    if (end === -1) return bytes.length;
    const line = this.#text.slice(0, -2);
    if (!this.#text.endsWith("\r\n")) throw new Error(`a line without CR: ${JSON.stringify(this.#text)}`);
    this.#text = "";
    this.#takeLine(line);
    return end + 1;
  }

  #takeLine(line: string): void {
    if (this.#state === State.ChunkSize) {
      if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
      this.#left = Number.parseInt(line, 16);
      this.#state = this.#left === 0 ? State.Trailers : State.Chunk;
      return;
    }
    if (line !== "") throw new Error(`something where nothing belongs: ${JSON.stringify(line)}`);
    if (this.#state === State.ChunkEnd) this.#state = State.ChunkSize;
    else {
      this.#state = State.Head;
      this.#handler.onMessage();
    }
  }
}
