/*
 * What a header of the PROXY protocol's version 2 can tell of a client's TLS, behind its addresses: fields of a type, a
 * length and a value each. https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt §2.2
 */

export interface ProxiedTls {
  /** The name that the client asks for, "" when it names none. */
  readonly serverName: string;
  /** Null when it isn't opened here. */
  readonly session: ProxiedTlsSession | null;
}

interface ProxiedTlsSession {
  /** "TLSv1.3" or "TLSv1.2" */
  readonly version: string;
  /** By its IANA name. */
  readonly cipher: string;
  /** The protocol agreed on, "" when none was. */
  readonly alpn: string;
  /** The common name of the client's certificate, which was verified, "" if it has none; null without a certificate. */
  readonly clientName: string | null;
}

const Field = {
  Alpn: 0x01,
  Authority: 0x02,
  Ssl: 0x20,
  SslVersion: 0x21,
  SslClientName: 0x22,
  SslCipher: 0x23,
} as const;

/** Bits of the first byte of `Ssl`. */
const OVER_TLS = 1;
/** The client has shown a certificate on this connection, and in this session. */
const SHOWED_CERTIFICATE = 2 | 4;
/** Of what `Ssl` begins with: the bits, and whether verification failed, which is 0 for whoever got this far. */
const SSL_START = 5;
/** Bytes of a client's name; a longer one isn't told, for all of a header is read before anything of the connection. */
const LONGEST_NAME = 255;

/** The fields as they stand in the header. */
export function encodeTlsFields({ serverName, session }: ProxiedTls): Buffer {
  const fields: Buffer[] = [];
  if (session !== null && session.alpn !== "") fields.push(field(Field.Alpn, session.alpn));
  if (serverName !== "") fields.push(field(Field.Authority, serverName));
  if (session !== null) fields.push(encodeSession(session));
  return Buffer.concat(fields);
}

function encodeSession({ version, cipher, clientName }: ProxiedTlsSession): Buffer {
  const start = Buffer.alloc(SSL_START);
  start[0] = OVER_TLS | (clientName === null ? 0 : SHOWED_CERTIFICATE);
  const inner = [start, field(Field.SslVersion, version), field(Field.SslCipher, cipher)];
  const name = Buffer.from(clientName ?? "", "utf8");
  if (name.length > 0 && name.length <= LONGEST_NAME) inner.push(field(Field.SslClientName, name));
  return field(Field.Ssl, Buffer.concat(inner));
}

function field(type: number, value: string | Buffer): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  const head = Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]);
  return Buffer.concat([head, bytes]);
}
