import { isIPv4, isIPv6 } from "node:net";
import { plainAddress } from "./address.ts";
import { crc32c } from "./crc32c.ts";
import { formatIPv6, toIPv4Bytes, toIPv6Bytes } from "./ip-bytes.ts";

/*
 * The header that a proxy puts before a connection's bytes to tell where the connection comes from: version 1 is a line
 * of text, version 2 is binary. https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */

/** One end of a connection: an IP address as text, IPv4 never as a mapped IPv6 address, and a port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Who speaks to whom, as the header tells it. */
export interface ProxiedAddresses {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/**
 * What the bytes at hand are: a whole header of `length` bytes, the beginning of one, or none and never will be.
 * `addresses` is null when the header tells none: the connection is the sender's own, or over a Unix socket.
 */
export type ProxyHeaderResult =
  | {
      readonly kind: "complete";
      readonly length: number;
      readonly version: 1 | 2;
      readonly addresses: ProxiedAddresses | null;
    }
  | { readonly kind: "incomplete" }
  | { readonly kind: "malformed"; readonly reason: string };

/** Bytes of the longest line of version 1, with its end. */
const LONGEST_LINE = 107;
/** Bytes that a header of version 2 may have after the fixed part: addresses, and fields that are read past. */
const LONGEST_REST = 4096;
/** No header is longer. */
export const LONGEST_PROXY_HEADER: number = 16 + LONGEST_REST;

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const FIXED = 16;
const LINE_START = Buffer.from("PROXY ", "latin1");

const INCOMPLETE: ProxyHeaderResult = { kind: "incomplete" };

/** Reads the header that `bytes[start..end)` begins with. Of both versions; nothing is guessed or repaired. */
export function parseProxyHeader(bytes: Buffer, start: number, end: number): ProxyHeaderResult {
  if (start === end) return INCOMPLETE;
  const isBinary = bytes[start] === SIGNATURE[0];
  const opening = isBinary ? SIGNATURE : LINE_START;
  const known = Math.min(end - start, opening.length);
  if (bytes.compare(opening, 0, known, start, start + known) !== 0) return malformed("no PROXY header");
  if (isBinary) return parseBinary(bytes, start, end);
  return parseLine(bytes, start, end);
}

/**
 * A header of this version for a connection between these two, or for one without IP addresses.
 * @param protocol what the connection is; version 1 knows TCP only
 * @param fields what version 2 tells beside addresses, encoded
 */
export function encodeProxyHeader(
  version: 1 | 2,
  addresses: ProxiedAddresses | null,
  protocol: "tcp" | "udp" = "tcp",
  fields: Buffer | null = null,
): Buffer {
  return version === 1 ? encodeLine(addresses) : encodeBinary(addresses, protocol, fields);
}

function malformed(reason: string): ProxyHeaderResult {
  return { kind: "malformed", reason };
}

// ── version 1 ────────────────────────────────────────────────────────────────────────────────────────────────────

function parseLine(bytes: Buffer, start: number, end: number): ProxyHeaderResult {
  const limit = Math.min(end, start + LONGEST_LINE);
  const feed = bytes.subarray(start, limit).indexOf(0x0a);
  if (feed === -1) return end - start < LONGEST_LINE ? INCOMPLETE : malformed("line too long");
  const line = bytes.toString("latin1", start, start + feed - 1);
  if (bytes[start + feed - 1] !== 0x0d) return malformed("line without CR");
  const length = feed + 1;
  // Whatever else the line says is to be ignored.
  if (line === "PROXY UNKNOWN" || line.startsWith("PROXY UNKNOWN ")) return complete(length, 1, null);
  const addresses = readLine(line.split(" "));
  return addresses === null ? malformed("malformed line") : complete(length, 1, addresses);
}

function complete(length: number, version: 1 | 2, addresses: ProxiedAddresses | null): ProxyHeaderResult {
  return { kind: "complete", length, version, addresses };
}

function readLine(words: readonly string[]): ProxiedAddresses | null {
  const [, family, from = "", to = "", fromPort = "", toPort = ""] = words;
  if (words.length !== 6 || (family !== "TCP4" && family !== "TCP6")) return null;
  const isAddress = family === "TCP4" ? isIPv4 : isPlainIPv6;
  if (!isAddress(from) || !isAddress(to) || !isPort(fromPort) || !isPort(toPort)) return null;
  return {
    source: { address: plainAddress(from), port: Number(fromPort) },
    destination: { address: plainAddress(to), port: Number(toPort) },
  };
}

/** Without a zone, which means something to one machine only. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes("%");
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function encodeLine(addresses: ProxiedAddresses | null): Buffer {
  if (addresses === null) return Buffer.from("PROXY UNKNOWN\r\n", "latin1");
  const { source, destination } = addresses;
  const isV4 = isIPv4(source.address) && isIPv4(destination.address);
  const write = isV4 ? String : (address: string): string => formatIPv6(toIPv6Bytes(address));
  const ends = `${write(source.address)} ${write(destination.address)}`;
  const line = `PROXY ${isV4 ? "TCP4" : "TCP6"} ${ends} ${source.port} ${destination.port}\r\n`;
  return Buffer.from(line, "latin1");
}

// ── version 2 ────────────────────────────────────────────────────────────────────────────────────────────────────

/** How addresses of a family lie in the header: bytes of one address, and of both with their ports. */
interface Family {
  readonly size: number;
  readonly total: number;
}

const IPV4: Family = { size: 4, total: 12 };
const IPV6: Family = { size: 16, total: 36 };

/** Families by their code, streams and datagrams alike; null for those that name no IP address. */
const FAMILIES: ReadonlyMap<number, Family | null> = new Map([
  [0x00, null],
  [0x11, IPV4],
  [0x12, IPV4],
  [0x21, IPV6],
  [0x22, IPV6],
  [0x31, null],
  [0x32, null],
]);
const UNIX_TOTAL = 216;

function parseBinary(bytes: Buffer, start: number, end: number): ProxyHeaderResult {
  if (end - start < FIXED) return INCOMPLETE;
  const versionAndCommand = bytes[start + 12]!;
  const code = bytes[start + 13]!;
  const rest = bytes.readUInt16BE(start + 14);
  if (versionAndCommand >> 4 !== 2) return malformed("unknown version");
  if ((versionAndCommand & 0xf) > 1) return malformed("unknown command");
  if (!FAMILIES.has(code)) return malformed("unknown address family");
  if (rest > LONGEST_REST) return malformed("header too long");
  const length = FIXED + rest;
  if (end - start < length) return INCOMPLETE;
  const header = bytes.subarray(start, start + length);
  // The sender's own connection, to see whether we live: it names nobody, whatever it carries.
  if ((versionAndCommand & 0xf) === 0) return complete(length, 2, null);
  return parseAddresses(header, code);
}

function parseAddresses(header: Buffer, code: number): ProxyHeaderResult {
  const family = FAMILIES.get(code) ?? null;
  const isUnix = code >> 4 === 3;
  const fieldsAt = FIXED + (family?.total ?? (isUnix ? UNIX_TOTAL : 0));
  if (fieldsAt > header.length) return malformed("too short for its addresses");
  const problem = checkFields(header, fieldsAt);
  if (problem !== null) return malformed(problem);
  return complete(header.length, 2, family === null ? null : readAddresses(header, family));
}

function readAddresses(header: Buffer, { size }: Family): ProxiedAddresses {
  const portsAt = FIXED + 2 * size;
  const read = (at: number): string => {
    const address = header.subarray(at, at + size);
    return size === 4 ? address.join(".") : plainAddress(formatIPv6(address));
  };
  return {
    source: { address: read(FIXED), port: header.readUInt16BE(portsAt) },
    destination: { address: read(FIXED + size), port: header.readUInt16BE(portsAt + 2) },
  };
}

const CHECKSUM_FIELD = 0x03;

/** Fields are a type, a length and a value each. Of those that are there only the checksum is looked at. */
function checkFields(header: Buffer, from: number): string | null {
  let at = from;
  while (at < header.length) {
    if (at + 3 > header.length) return "cut off field";
    const length = header.readUInt16BE(at + 1);
    const next = at + 3 + length;
    if (next > header.length) return "field longer than its header";
    if (header[at] === CHECKSUM_FIELD && !isChecksum(header, at + 3, length)) return "wrong checksum";
    at = next;
  }
  return null;
}

/** Of the whole header, with zeros where the checksum stands. */
function isChecksum(header: Buffer, at: number, length: number): boolean {
  if (length !== 4) return false;
  const blank = Buffer.from(header);
  blank.fill(0, at, at + 4);
  return crc32c(blank) === header.readUInt32BE(at);
}

function encodeBinary(
  addresses: ProxiedAddresses | null,
  protocol: "tcp" | "udp",
  fields: Buffer | null,
): Buffer {
  const isV4 =
    addresses !== null && isIPv4(addresses.source.address) && isIPv4(addresses.destination.address);
  const family = isV4 ? IPV4 : IPV6;
  const fieldsAt = FIXED + (addresses === null ? 0 : family.total);
  const header = Buffer.alloc(fieldsAt + (fields?.length ?? 0));
  SIGNATURE.copy(header);
  header[12] = 0x21;
  header.writeUInt16BE(header.length - FIXED, 14);
  fields?.copy(header, fieldsAt);
  if (addresses === null) return header;
  header[13] = (isV4 ? 0x10 : 0x20) | (protocol === "tcp" ? 1 : 2);
  const { source, destination } = addresses;
  const { size } = family;
  const toBytes = isV4 ? toIPv4Bytes : toIPv6Bytes;
  header.set(toBytes(source.address), FIXED);
  header.set(toBytes(destination.address), FIXED + size);
  header.writeUInt16BE(source.port, FIXED + 2 * size);
  header.writeUInt16BE(destination.port, FIXED + 2 * size + 2);
  return header;
}
