import { once } from "node:events";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";

/** What a client knows of its connection, and what it got back for what it said. */
export interface TlsVisit {
  readonly resumed: boolean;
  readonly alpn: string;
  readonly group: string;
  readonly cipher: string;
  /** Of the server's certificate, SHA-256 in hexadecimal with colons. */
  readonly fingerprint: string;
  /** The common name of the authority that signed the server's certificate; "" in a resumed session. */
  readonly issuer: string;
  readonly answer: string;
  /** To be resumed, when the server gave one. */
  readonly session: Buffer | null;
  /** The session at the end, given just now or before. */
  readonly lastSession: Buffer;
  /** What the server stapled; null: nothing. */
  readonly status: Buffer | null;
  readonly sentCertificates: number;
}

/** A connection whose handshake is done as far as the client knows. Rejects with the reason when it can't be. */
export async function connectSecurely(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = dial(port, options);
  await once(socket, "secureConnect");
  return socket;
}

function dial(port: number, options: ConnectionOptions): TLSSocket {
  const usual = { host: "127.0.0.1", port, servername: "localhost", rejectUnauthorized: false };
  return connect({ ...usual, ...options });
}

/** What a server of HTTP answers to. */
export const GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/**
 * Connects to a server that answers what is said, an echo if need be, and leaves. Rejects when the server ends the connection
 * first.
 */
export async function visitSecurely(
  port: number,
  options: ConnectionOptions = {},
  words: string = "ping",
): Promise<TlsVisit> {
  let session: Buffer | null = null;
  let status: Buffer | null = null;
  const socket = dial(port, options);
  socket.on("session", (given) => {
    session = given;
  });
  socket.on("OCSPResponse", (given: Buffer | null) => {
    status = given;
  });
  await once(socket, "secureConnect");
  socket.write(words);
  const answer = await firstBytes(socket);
  const group = socket.getEphemeralKeyInfo() as { name?: string } | null;
  const visit = {
    resumed: socket.isSessionReused(),
    alpn: socket.alpnProtocol === false ? "" : (socket.alpnProtocol ?? ""),
    group: group?.name ?? "",
    cipher: socket.getCipher().standardName,
    fingerprint: socket.getPeerCertificate().fingerprint256 ?? "",
    issuer: String(socket.getPeerCertificate().issuer?.CN ?? ""),
    answer,
    lastSession: socket.getSession()!,
    sentCertificates: countCertificates(socket),
  };
  socket.end();
  await once(socket, "close");
  return { ...visit, session, status };
}

function firstBytes(socket: TLSSocket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.once("data", (bytes) => resolve(bytes.toString("latin1")));
  socket.once("error", reject);
  socket.once("close", () => reject(new Error("the server closed the connection")));
  return promise;
}

function countCertificates(socket: TLSSocket): number {
  const seen = new Set<string>();
  let next = socket.getPeerCertificate(true);
  while (next?.fingerprint256 !== undefined && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256);
    next = next.issuerCertificate;
  }
  return seen.size;
}
