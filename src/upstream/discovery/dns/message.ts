import { MessageReader } from "./message-reader.ts";

/*
 * Questions and answers of the DNS (RFC 1035), as bytes and as data. Node's own resolver isn't used: of SRV records it
 * tells no time to live. The reading is our own, too: what answers is somebody else's program, perhaps an attacker's, and
 * the library at hand takes messages that are cut or whose lengths are wrong for something else than they are.
 */

export interface DnsQuestion {
  /** Without a dot at its end. */
  readonly name: string;
  readonly type: "A" | "AAAA" | "SRV";
}

interface RecordHead {
  /** The name it belongs to, in small letters, without a dot at its end. */
  readonly name: string;
  /** How long it is good for, milliseconds. */
  readonly ttl: number;
}

export interface SrvTarget {
  /** As a name above; "" says that the service isn't offered (RFC 2782). */
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** `data` of A and AAAA is an address, that of CNAME a name. */
export type DnsRecord =
  | (RecordHead & { readonly type: "A" | "AAAA" | "CNAME"; readonly data: string })
  | (RecordHead & { readonly type: "SRV"; readonly data: SrvTarget });

export interface DnsAnswer {
  /** RCODE: 0 all is well, 3 the name doesn't exist, others are failures. */
  readonly code: number;
  /** There was more than fits into a datagram; what came is left aside. */
  readonly isTruncated: boolean;
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

export const NO_ERROR = 0;
export const NO_SUCH_NAME = 3;

/** RCODEs by name, for people. */
const CODE_NAMES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

const TYPES = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 } as const;
const TYPE_OPT = 41;
const CLASS_IN = 1;

/** Of the second word of a message (RFC 1035 §4.1.1). */
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const CODE = 0x000f;

/** Largest datagram that is asked for (RFC 6891): what fits into the packets of practically every network. */
const DATAGRAM_SIZE = 1232;

/** Longest that records may say to be good for; more is nonsense, and counts as 0 (RFC 2181 §8). */
const MOST_SECONDS = 2 ** 31 - 1;

/** A name as it is compared and kept: in small letters, without a dot at its end. */
export function toDnsName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** Whether the name can be asked for at all: labels of 1 to 63 bytes, 253 in all. */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && /^[\x21-\x2d\x2f-\x7e]{1,63}(?:\.[\x21-\x2d\x2f-\x7e]{1,63})*$/.test(name);
}

/** @param extended whether to offer more than the 512 bytes of old; some old servers refuse such a question */
export function encodeQuestion(id: number, { name, type }: DnsQuestion, extended: boolean): Buffer {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]);
  const records = extended ? 1 : 0;
  return Buffer.from([
    ...[...split(id), ...split(RECURSION_DESIRED), ...split(1), ...split(0), ...split(0), ...split(records)],
    ...[...labels, 0, ...split(TYPES[type]), ...split(CLASS_IN)],
    // An OPT record: the root's name, its type, our size as its class, no flags, no options (RFC 6891 §6.1.2).
    ...(extended ? [0, ...split(TYPE_OPT), ...split(DATAGRAM_SIZE), 0, 0, 0, 0, 0, 0] : []),
  ]);
}

function split(value: number): [high: number, low: number] {
  return [value >> 8, value & 0xff];
}

/**
 * Reads the answer to a question. Null for anything else, and for what breaks the rules anywhere: half an answer is
 * worse than none.
 */
export function readAnswer(bytes: Uint8Array, id: number, question: DnsQuestion): DnsAnswer | null {
  try {
    return readMessage(new MessageReader(bytes), id, question);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The RCODE as people know it. */
export function nameCode(code: number): string {
  return CODE_NAMES[code] ?? `RCODE ${code}`;
}

function readMessage(reader: MessageReader, id: number, question: DnsQuestion): DnsAnswer | null {
  const [itsId, flags, questions, ...counts] = reader.readHead();
  // An answer repeats its question; one that doesn't may be somebody's who guessed the id.
  if (itsId !== id || (flags & (RESPONSE | OPCODE)) !== RESPONSE || questions !== 1) return null;
  const isOurs = toDnsName(reader.readName()) === toDnsName(question.name);
  if (reader.readU16() !== TYPES[question.type] || reader.readU16() !== CLASS_IN || !isOurs) return null;
  const isTruncated = (flags & TRUNCATED) !== 0;
  const [answers = [], , additionals = []] = isTruncated ? [] : counts.map((one) => readRecords(reader, one));
  return { code: flags & CODE, isTruncated, answers, additionals };
}

function readRecords(reader: MessageReader, count: number): DnsRecord[] {
  const records: DnsRecord[] = [];
  for (let i = 0; i < count; i++) {
    const record = readRecord(reader);
    if (record !== null) records.push(record);
  }
  return records;
}

/** Null for records of a type or class that isn't looked at. */
function readRecord(reader: MessageReader): DnsRecord | null {
  const name = toDnsName(reader.readName());
  const type = reader.readU16();
  const isOfInternet = reader.readU16() === CLASS_IN;
  const seconds = reader.readU32();
  const head = { name, ttl: seconds > MOST_SECONDS ? 0 : seconds * 1000 };
  const length = reader.readU16();
  const end = reader.at + length;
  const record = isOfInternet ? readData(reader, head, type, length) : null;
  if (record === null) reader.skipTo(end);
  else if (reader.at !== end) throw new RangeError("A record's data has another length than it says");
  return record;
}

function readData(reader: MessageReader, head: RecordHead, type: number, length: number): DnsRecord | null {
  switch (type) {
    case TYPES.A:
      return { ...head, type: "A", data: readAddress(reader, length, 4).join(".") };
    case TYPES.AAAA:
      return { ...head, type: "AAAA", data: formatV6(readAddress(reader, length, 16)) };
    case TYPES.CNAME:
      return { ...head, type: "CNAME", data: toDnsName(reader.readName()) };
    case TYPES.SRV: {
      const [priority, weight, port] = [reader.readU16(), reader.readU16(), reader.readU16()];
      return { ...head, type: "SRV", data: { target: toDnsName(reader.readName()), port, priority, weight } };
    }
    default:
      return null;
  }
}

function readAddress(reader: MessageReader, length: number, expected: number): Uint8Array {
  if (length !== expected) throw new RangeError(`An address has ${length} bytes and not ${expected}`);
  return reader.readBytes(length);
}

/** In the one form that everybody writes (RFC 5952). */
function formatV6(bytes: Uint8Array): string {
  const groups = Buffer.from(bytes).toString("hex").match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
