import { latin1 } from "../base/latin1.ts";
import { EMPTY_TABLE, type FieldTable, type HeadSource } from "../http/field-table.ts";
import type { RequestSource, ResponseSource } from "../http/heads.ts";
import { reasonPhrase } from "../http/status.ts";
import { FieldBlock } from "./hpack/field-block.ts";
import { Pseudo } from "./hpack/field-kinds.ts";
import { readLines } from "./hpack/field-lines.ts";

/**
 * The head of a message behind a decoded block of fields. The block is the thread's, for one head after the other: what
 * is needed past the callback is kept as one latin1 string, the cheapest copy there is. Where its fields stand is found
 * again if somebody reads one of them, which is rare.
 */
abstract class ReceivedBlock implements HeadSource {
  /** Null once it is settled. */
  protected block: FieldBlock | null;
  /** The block's bytes once they are retained, those of the pseudo-header fields included. */
  protected text: string | null = null;
  #fieldsStart = 0;
  #table: FieldTable | null = null;
  /** As text like the fields: an array of its own costs several times as much. */
  #guarded: string | null = null;

  constructor(block: FieldBlock) {
    this.block = block;
  }

  table(): FieldTable {
    if (this.block !== null) return this.block;
    if (this.text === null) return EMPTY_TABLE;
    this.#table ??= readLines(Buffer.from(this.text, "latin1"), this.#fieldsStart);
    return this.#table;
  }

  /** 1 for each field that is never to be indexed; null when there is none. */
  get guarded(): Uint8Array | null {
    const { block } = this;
    if (block === null) return this.#guarded === null ? null : Buffer.from(this.#guarded, "latin1");
    return block.hasGuarded ? block.guarded : null;
  }

  retain(): void {
    const { block } = this;
    if (block === null || this.text !== null) return;
    this.text = latin1(block.bytes, 0, block.fieldsEnd);
    this.#fieldsStart = block.fieldsStart;
    if (block.hasGuarded) this.#guarded = latin1(block.guarded, 0, block.count);
  }

  settle(): void {
    this.block = null;
  }
}

export class BlockRequest extends ReceivedBlock implements RequestSource {
  readonly #method: string;
  /** Of the path; of a CONNECT the authority. */
  readonly #targetStart: number;
  readonly #targetEnd: number;

  constructor(block: FieldBlock) {
    super(block);
    this.#method = methodOf(block);
    const target = (block.pseudo & (1 << Pseudo.Path)) !== 0 ? Pseudo.Path : Pseudo.Authority;
    this.#targetStart = block.pseudoStart(target);
    this.#targetEnd = block.pseudoEnd(target);
  }

  method(): string {
    return this.#isKept ? this.#method : "";
  }

  target(): string {
    if (this.text !== null) return this.text.slice(this.#targetStart, this.#targetEnd);
    return this.block === null ? "" : latin1(this.block.bytes, this.#targetStart, this.#targetEnd);
  }

  get targetStart(): number {
    return this.#isKept ? this.#targetStart : -1;
  }

  get targetEnd(): number {
    return this.#isKept ? this.#targetEnd : -1;
  }

  get #isKept(): boolean {
    return this.block !== null || this.text !== null;
  }
}

/** The method without making a string of the usual one. */
function methodOf(block: FieldBlock): string {
  const { bytes } = block;
  const start = block.pseudoStart(Pseudo.Method);
  const isGet =
    block.pseudoEnd(Pseudo.Method) - start === GET.length &&
    bytes[start] === GET[0] &&
    bytes[start + 1] === GET[1] &&
    bytes[start + 2] === GET[2];
  return isGet ? "GET" : block.pseudoText(Pseudo.Method);
}

const GET = Buffer.from("GET");

export class BlockResponse extends ReceivedBlock implements ResponseSource {
  readonly #status: number;

  /** @param status the block's own, or what it stands for to others */
  constructor(block: FieldBlock, status: number = block.status) {
    super(block);
    this.#status = status;
  }

  /** There are no reason phrases in HTTP/2 (RFC 9113 §8.3.2). */
  reason(): string {
    return reasonPhrase(this.#status);
  }
}

/** The marks of fields that are never to be indexed, where the head came in HTTP/2. */
export function guardedOf(source: HeadSource): Uint8Array | null {
  return source instanceof ReceivedBlock ? source.guarded : null;
}

const spare: FieldBlock[] = [];

/** Lends a block. While a head is handled another may come in, on a connection within this process. */
export function takeBlock(): FieldBlock {
  return spare.pop() ?? new FieldBlock();
}

export function giveBlockBack(block: FieldBlock): void {
  spare.push(block);
}
