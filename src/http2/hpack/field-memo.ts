import { copyBytes, isSameBytes, type Memory, toMemory } from "./memory.ts";

/** Sections and their encoded form are remembered up to this size: usual responses have a third of it. */
const LARGEST = 768;
/** Without a match so often in a row only one section in so many is remembered, for it costs a copy. */
const PATIENCE = 8;

/**
 * The field section that was encoded last, with what came of it. Responses to the same request are mostly the same but for
 * their bodies, and as long as nothing was added to the table, the same fields are the same bytes.
 */
export class FieldMemo {
  #section: Memory | null = null;
  #encoded: Memory | null = null;
  #sectionLength = -1;
  #encodedLength = 0;
  #omitted = 0;
  #version = 0;
  #misses = 0;

  /**
   * Writes what came of `memory[start..end)` to `out` at `at`, where there is room for it.
   * @param omitted the fields that are left out, by id
   * @param version of the table, which changes with every entry
   * @returns where it ends, -1 when that isn't known
   */
  recall(
    memory: Memory,
    start: number,
    end: number,
    omitted: number,
    version: number,
    out: Buffer,
    at: number,
  ): number {
    const isKnown =
      end - start === this.#sectionLength &&
      omitted === this.#omitted &&
      version === this.#version &&
      isSameBytes(memory, start, end, this.#section!, 0);
    if (!isKnown) {
      this.#misses++;
      return -1;
    }
    this.#misses = 0;
    const { bytes } = this.#encoded!;
    const length = this.#encodedLength;
    for (let i = 0; i < length; i++) out[at + i] = bytes[i]!;
    return at + length;
  }

  /** Remembers that `memory[start..end)` came to `out[from..to)`, with a table of this version before and after. */
  keep(
    memory: Memory,
    start: number,
    end: number,
    omitted: number,
    version: number,
    out: Buffer,
    from: number,
    to: number,
  ): void {
    if (end - start > LARGEST || to - from > LARGEST) return;
    if (this.#misses > PATIENCE && this.#misses % PATIENCE !== 0) return;
    this.#section = withRoom(this.#section, end - start);
    this.#encoded = withRoom(this.#encoded, to - from);
    copyBytes(memory, start, end, this.#section, 0);
    out.copy(this.#encoded.bytes, 0, from, to);
    this.#sectionLength = end - start;
    this.#encodedLength = to - from;
    this.#omitted = omitted;
    this.#version = version;
  }
}

function withRoom(memory: Memory | null, bytes: number): Memory {
  return memory !== null && memory.bytes.length >= bytes ? memory : toMemory(Buffer.allocUnsafeSlow(bytes));
}
