import { EMPTY_TABLE, type FieldTable, type HeadSource } from "../http/field-table.ts";
import type { RequestSource, ResponseSource } from "../http/heads.ts";
import { reasonPhrase } from "../http/status.ts";
import { FieldBlock } from "./hpack/field-block.ts";
import { Pseudo } from "./hpack/field-kinds.ts";

/**
 * The head of a message behind a decoded block of fields. The block is the thread's, for one head after the other: what
 * is needed past the callback is copied out of it.
 */
abstract class ReceivedBlock implements HeadSource {
  /** Null once it is settled. */
  protected block: FieldBlock | null;
  #copy: FieldTable | null = null;
  #guarded: Uint8Array | null = null;

  constructor(block: FieldBlock) {
    this.block = block;
  }

  table(): FieldTable {
    return this.#copy ?? this.block ?? EMPTY_TABLE;
  }

  /** 1 for each field that is never to be indexed; null when there is none. */
  get guarded(): Uint8Array | null {
    const { block } = this;
    if (block === null || this.#copy !== null) return this.#guarded;
    return block.hasGuarded ? block.guarded : null;
  }

  retain(): void {
    const { block } = this;
    if (block === null || this.#copy !== null) return;
    this.#copy = block.copyFields();
    if (block.hasGuarded) this.#guarded = block.guarded.slice(0, block.count);
  }

  settle(): void {
    this.block = null;
  }
}

export class BlockRequest extends ReceivedBlock implements RequestSource {
  #method: string | null = null;
  #target: string | null = null;

  method(): string {
    return this.#method ?? this.block?.pseudoText(Pseudo.Method) ?? "";
  }

  /** The path; of a CONNECT the authority. */
  target(): string {
    if (this.#target !== null) return this.#target;
    const { block } = this;
    if (block === null) return "";
    const hasPath = (block.pseudo & (1 << Pseudo.Path)) !== 0;
    return block.pseudoText(hasPath ? Pseudo.Path : Pseudo.Authority);
  }

  override retain(): void {
    this.#method ??= this.method();
    this.#target ??= this.target();
    super.retain();
  }
}

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
