import type { CacheEntry, EntryWriter, WriterOwner } from "../../store.ts";

/** What becomes of it, and of older entries of the key where the new one doesn't come to stand. */
export interface SharedWriterKeeper {
  dropNear(): void;
  dropFar(): void;
  /** Nothing is written any more. */
  onEnd(writer: SharedWriter): void;
}

/** Writes here and for other machines. Readers have what is here, so that its failure is the failure of all; without Redis it goes on. */
export class SharedWriter implements EntryWriter {
  readonly nearOwner: WriterOwner;
  readonly farOwner: WriterOwner;
  readonly #owner: WriterOwner;
  readonly #keeper: SharedWriterKeeper;
  #near: EntryWriter | null = null;
  #far: EntryWriter | null = null;
  #isOver = false;

  constructor(owner: WriterOwner, keeper: SharedWriterKeeper) {
    this.#owner = owner;
    this.#keeper = keeper;
    this.nearOwner = {
      onDrain: () => this.#owner.onDrain(),
      onFailure: (error) => this.#failNear(error),
    };
    this.farOwner = {
      onDrain() {},
      onFailure: (error) => this.#failFar(error),
    };
  }

  /** @returns whether there is anything to write to */
  begin(near: EntryWriter | null, far: EntryWriter | null): boolean {
    this.#near = near;
    this.#far = far;
    return near !== null || far !== null;
  }

  open(): CacheEntry | null {
    return this.#near?.open() ?? null;
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    this.#far?.write(bytes, start, end);
    return this.#near?.write(bytes, start, end) ?? true;
  }

  finish(): void | Promise<void> {
    if (this.#near === null) this.#keeper.dropNear();
    const stored = this.#near?.finish();
    // When it turns out to be too short here, nothing is sent either.
    if (this.#isOver) return stored;
    this.#end();
    if (this.#far === null) this.#keeper.dropFar();
    else this.#far.finish();
    return stored;
  }

  abort(): void {
    this.#end();
    this.#near?.abort();
    this.#far?.abort();
  }

  /** The key was removed: what is here knows that by itself. */
  leaveFar(): void {
    this.#far?.abort();
    this.#far = null;
  }

  #end(): void {
    this.#isOver = true;
    this.#keeper.onEnd(this);
  }

  #failNear(error: Error): void {
    if (!this.#isOver) {
      this.#end();
      this.#far?.abort();
    }
    this.#owner.onFailure(error);
  }

  /** It stands here alone. */
  #failFar(error: Error): void {
    this.#far = null;
    if (this.#near !== null) return;
    if (!this.#isOver) this.#end();
    this.#owner.onFailure(error);
  }
}
