import { createSocket, type Socket } from "node:dgram";
import { EventEmitter, once } from "node:events";
import { createServer, type Server, type Socket as TcpSocket } from "node:net";
import { type Answer, decode, encode, type RecordType, TRUNCATED_RESPONSE } from "dns-packet";
import { patience, withDeadline } from "./deadline.ts";
import { listen } from "./ports.ts";

/** What a server says to a question. All of it may be left out: that is an empty answer. */
export interface DnsReply {
  /** RCODE, 0 when absent: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly code?: number;
  readonly answers?: readonly Answer[];
  readonly additionals?: readonly Answer[];
  /** Over UDP only the head is sent then, so that the client asks again over TCP. */
  readonly isTruncated?: boolean;
  /** A datagram with another id, or to another question, comes before the right one. */
  readonly before?: "wrong id" | "wrong question";
  /** Nothing is sent at all. */
  readonly isSilent?: boolean;
  /** These bytes are sent instead. */
  readonly raw?: Uint8Array;
}

export interface DnsAsked {
  readonly name: string;
  readonly type: RecordType;
  readonly over: "udp" | "tcp";
  /** Whether it came with an OPT record. */
  readonly isExtended: boolean;
  /** Where it came from. */
  readonly port: number;
  readonly id: number;
}

/** Answers a question, or chooses to do what the tables say, with null. */
export type DnsScript = (asked: DnsAsked) => DnsReply | null;

/** Tries to get the same port for TCP and UDP. */
const TRIES = 20;

/** A name server on loopback, over UDP and TCP. Names that it wasn't told of don't exist. */
export class DnsServer implements AsyncDisposable {
  /** All questions, in the order they came. */
  readonly asked: DnsAsked[] = [];
  /** Asked before the tables. */
  script: DnsScript = () => null;
  port = 0;
  readonly #replies: Map<string, DnsReply> = new Map();
  readonly #events: EventEmitter = new EventEmitter();
  readonly #tcp: Server = createServer((socket) => this.#serve(socket));
  readonly #connections: Set<TcpSocket> = new Set();
  #udp: Socket = createSocket("udp4");

  static async start(): Promise<DnsServer> {
    const server = new DnsServer();
    server.port = await listen(server.#tcp);
    for (let tries = 1; !(await server.#bind()); tries++) {
      if (tries === TRIES) throw new Error("no port is free for TCP and UDP");
      server.#tcp.close();
      await once(server.#tcp, "close");
      server.port = await listen(server.#tcp);
    }
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** What is said from now on to a question for `name` and `type`. */
  set(name: string, type: RecordType, reply: DnsReply | readonly Answer[]): void {
    this.#replies.set(`${name} ${type}`, Array.isArray(reply) ? { answers: reply } : (reply as DnsReply));
  }

  /** A or AAAA records, or none, as the addresses are. */
  setAddresses(name: string, addresses: readonly string[], ttl: number = 60): void {
    for (const type of ["A", "AAAA"] as const) {
      const own = addresses.filter((one) => one.includes(":") === (type === "AAAA"));
      this.set(
        name,
        type,
        own.map((data) => ({ name, type, ttl, data })),
      );
    }
  }

  /** Resolves when `count` questions came in all. */
  async untilAsked(count: number): Promise<void> {
    while (this.asked.length < count) {
      const what = (): string => `question ${count}; so far: ${JSON.stringify(this.asked)}`;
      await withDeadline(once(this.#events, "asked"), patience, what);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = [once(this.#udp, "close"), once(this.#tcp, "close")];
    this.#udp.close();
    this.#tcp.close();
    for (const socket of this.#connections) socket.destroy();
    await Promise.all(closed);
  }

  async #bind(): Promise<boolean> {
    this.#udp.on("message", (message, { port, address }) => {
      const send = (bytes: Uint8Array): void => void this.#udp.send(bytes, port, address);
      this.#answer(message, "udp", port, send);
    });
    this.#udp.bind(this.port, "127.0.0.1");
    try {
      await once(this.#udp, "listening");
      return true;
    } catch {
      this.#udp = createSocket("udp4");
      return false;
    }
  }

  #serve(socket: TcpSocket): void {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => undefined);
    const send = (bytes: Uint8Array): void => {
      const length = Buffer.from([bytes.length >> 8, bytes.length & 0xff]);
      // Two writes, so that clients have to put them together again.
      socket.write(length);
      setImmediate(() => socket.write(bytes));
    };
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE()) return;
      this.#answer(received.subarray(2), "tcp", socket.remotePort ?? 0, send);
    });
  }

  #answer(query: Buffer, over: "udp" | "tcp", port: number, send: (bytes: Uint8Array) => void): void {
    const { id = 0, questions = [], additionals = [] } = decode(query);
    const { name = "", type = "A" } = questions[0] ?? {};
    const isExtended = additionals.some((one) => one.type === "OPT");
    const asked = { name, type, over, isExtended, port, id };
    this.asked.push(asked);
    const reply = this.script(asked) ?? this.#find(name, type);
    this.#events.emit("asked");
    if (reply.isSilent === true) return;
    if (reply.before !== undefined) send(this.#encodeWrong(asked, reply.before));
    if (reply.raw !== undefined) send(reply.raw);
    else send(encodeReply(asked, reply));
  }

  #find(name: string, type: RecordType): DnsReply {
    const own = this.#replies.get(`${name} ${type}`);
    if (own !== undefined) return own;
    const exists = [...this.#replies.keys()].some((key) => key.startsWith(`${name} `));
    return exists ? {} : { code: 3 };
  }

  #encodeWrong(asked: DnsAsked, what: "wrong id" | "wrong question"): Buffer {
    const { id, name, type } = asked;
    const other = what === "wrong id" ? { ...asked, id: id ^ 1 } : { ...asked, name: `not-${name}` };
    return encodeReply(other, { answers: [{ name, type: type as "A", ttl: 60, data: "127.66.66.66" }] });
  }
}

function encodeReply({ id, name, type, over }: DnsAsked, reply: DnsReply): Buffer {
  const { code = 0, answers = [], additionals = [], isTruncated = false } = reply;
  const isCut = isTruncated && over === "udp";
  return encode({
    type: "response",
    id,
    flags: code | (isCut ? TRUNCATED_RESPONSE : 0),
    questions: [{ name, type, class: "IN" }],
    answers: isCut ? [] : [...answers],
    additionals: isCut ? [] : [...additionals],
  });
}
