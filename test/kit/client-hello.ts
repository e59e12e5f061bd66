import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";
import { listen } from "./ports.ts";

/** What a client of `node:tls` with these options says first: whole records. */
export async function captureHello(options: ConnectionOptions = {}): Promise<Buffer> {
  return captureFirstBytes((port) => {
    const client = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    client.on("error", () => undefined);
  });
}

/** What the client that `start` starts, of this port, says before it is answered; one flight, which is a record. */
export async function captureFirstBytes(start: (port: number) => void): Promise<Buffer> {
  const server = createServer();
  const port = await listen(server);
  const accepted = once(server, "connection");
  start(port);
  const [socket] = (await accepted) as [Socket];
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) break;
  }
  socket.destroy();
  server.close();
  return bytes;
}

/** The same handshake message over records with `size` bytes of it each. */
export function fragment(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

export interface HelloParts {
  readonly version?: number;
  readonly sessionId?: Buffer;
  readonly suites?: Buffer;
  readonly compressions?: Buffer;
  /** Null: the hello ends before them. */
  readonly extensions?: readonly (readonly [type: number, value: Buffer])[] | null;
}

/** A hello made by hand, in one record, right or wrong. */
export function makeHello(parts: HelloParts = {}): Buffer {
  const { version = 0x0303, sessionId = Buffer.alloc(0), extensions = [] } = parts;
  const { suites = Buffer.from([0x13, 1]), compressions = Buffer.from([0]) } = parts;
  const list = (extensions ?? []).map(([type, value]) => Buffer.concat([uint16(type), vector16(value)]));
  const body = Buffer.concat([
    uint16(version),
    Buffer.alloc(32, 7),
    vector8(sessionId),
    vector16(suites),
    vector8(compressions),
    ...(extensions === null ? [] : [vector16(Buffer.concat(list))]),
  ]);
  const header = Buffer.from([1, body.length >> 16, (body.length >> 8) & 255, body.length & 255]);
  return toRecord(Buffer.concat([header, body]));
}

export function toRecord(message: Buffer, type = 22): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 1]), vector16(message)]);
}

/** The value of a server_name extension. */
export function serverNames(...names: readonly string[]): Buffer {
  return vector16(
    Buffer.concat(names.map((name) => Buffer.concat([Buffer.of(0), vector16(Buffer.from(name))]))),
  );
}

export function vector8(value: Buffer): Buffer {
  return Buffer.concat([Buffer.of(value.length), value]);
}

export function vector16(value: Buffer): Buffer {
  return Buffer.concat([uint16(value.length), value]);
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}
