import { EMPTY_TABLE, nameAt, valueAt } from "../../src/http/field-table.ts";
import { HttpHeaders } from "../../src/http/http-headers.ts";
import { type BlockKind, FieldBlock } from "../../src/http2/hpack/field-block.ts";
import { PSEUDO_NAMES, Pseudo } from "../../src/http2/hpack/field-kinds.ts";
import { type DecodeOutcome, HeaderDecoder } from "../../src/http2/hpack/header-decoder.ts";
import { blockRoom, type HeaderEncoder } from "../../src/http2/hpack/header-encoder.ts";

export type Pair = readonly [name: string, value: string];

const pseudoNames = PSEUDO_NAMES.map(String);

/** Fields as literals that no table remembers, without Huffman coding; names and values may be anything. */
export function literals(fields: readonly Pair[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), plain(name), plain(value)]));
}

function plain(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([integer(bytes.length, 0x7f, 0), bytes]);
}

/** An integer as HPACK writes it, with the bits of its first octet that aren't its own. */
export function integer(value: number, prefix: number, pattern: number): Buffer {
  if (value < prefix) return Buffer.of(pattern | value);
  const octets = [pattern | prefix];
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 128);
  return Buffer.from([...octets, rest]);
}

/** Bytes from hexadecimal digits with spaces. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(/\s/g, ""), "hex");
}

/** The pseudo-header fields of a block, then its regular fields, without the host line that repeats `:authority`. */
export function pairsOf(block: FieldBlock): Pair[] {
  const pseudo = pseudoNames.flatMap((name, i): Pair[] =>
    (block.pseudo & (1 << i)) === 0 ? [] : [[name, block.pseudoText(i as Pseudo)]],
  );
  const hasAuthority = (block.pseudo & (1 << Pseudo.Authority)) !== 0;
  return [
    ...pseudo,
    ...Array.from({ length: block.count }, (_, i): Pair => [nameAt(block, i), valueAt(block, i)]).slice(
      hasAuthority ? 1 : 0,
    ),
  ];
}

export interface Decoded {
  readonly outcome: DecodeOutcome;
  readonly problem: string | null;
  readonly pairs: readonly Pair[];
  readonly block: FieldBlock;
}

/** Decodes one block. */
export function decodeBlock(
  bytes: Buffer,
  kind: BlockKind,
  decoder: HeaderDecoder = new HeaderDecoder(),
  block: FieldBlock = new FieldBlock(),
): Decoded {
  const outcome = decoder.decode(bytes, 0, bytes.length, block, kind);
  return { outcome, problem: block.problem, pairs: pairsOf(block), block };
}

/** Encodes fields in their order, pseudo-header fields by name. */
export function encodeBlock(encoder: HeaderEncoder, fields: readonly Pair[]): Buffer {
  const regular = fields.filter(([name]) => !name.startsWith(":"));
  const headers = HttpHeaders.from(regular);
  const pseudo = fields.filter(([name]) => name.startsWith(":"));
  const size = pseudo.reduce((sum, [, value]) => sum + value.length, 0);
  const out = Buffer.alloc(blockRoom(EMPTY_TABLE, headers, "") + size);
  encoder.begin(out, 0);
  for (const [name, value] of pseudo) encoder.pseudo(pseudoNames.indexOf(name) as Pseudo, value);
  encoder.fields(EMPTY_TABLE, headers, 0);
  return out.subarray(0, encoder.end());
}
