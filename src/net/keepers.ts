import { type OutputOwner, output } from "./output.ts";
import { COPY_LIMIT } from "./slabs.ts";
import type { SocketWriter } from "./socket-writer.ts";

/** Who can see to it that bytes in fleeting memory (`copyOnWrite`) stay as they are, and hands them over to be written. */
export interface Keeper {
  /** Who has gathered some of what is being handed over; null: nobody. Not to be touched by others. */
  gatherer: Gatherer | null;
  /** A write of what it hands over has to wait: until as many calls of `letGo`, nothing of that may change. */
  keep(): void;
  letGo(): void;
}

/** Who writes several pieces at once. */
export interface Gatherer {
  /** No more pieces follow for now. */
  writeKept(): void;
}

let handingOver: Keeper | null = null;

/** Called before bytes are handed over. @returns who was doing so, for `endHandOver` */
export function beginHandOver(keeper: Keeper): Keeper | null {
  const before = handingOver;
  handingOver = keeper;
  return before;
}

/** What was gathered of the bytes is written. */
export function endHandOver(keeper: Keeper, before: Keeper | null): void {
  const { gatherer } = keeper;
  keeper.gatherer = null;
  if (gatherer !== null) gatherer.writeKept();
  handingOver = before;
}

/** Whether somebody keeps the bytes that are being handed over. */
export function areKept(): boolean {
  return handingOver !== null;
}

/** Bytes that are written at once. */
const MOST_AT_ONCE = 1024 * 1024;

/** The connection that kept bytes go out on. */
export interface KeptWriterOwner extends OutputOwner {
  readonly closed: boolean;
  /** True while what is written is copied within the call, although that may not say so. */
  readonly copiesWrites: boolean;
  /** Something has to wait. */
  blockIfFull(): void;
}

/**
 * Writes kept bytes from where they are: pieces are gathered while they are handed over, for a body in one write costs half of one in
 * pieces. What has to wait is kept until it is out.
 */
export class KeptWriter implements Gatherer {
  readonly #owner: KeptWriterOwner;
  readonly #writer: SocketWriter;
  readonly #mostAtOnce: number;
  #views: Buffer[] = [];
  #size = 0;
  readonly #keepers: Keeper[] = [];

  /** @param isSecured to encrypt much at once would take as much memory, and saves nothing */
  constructor(owner: KeptWriterOwner, writer: SocketWriter, isSecured: boolean) {
    this.#owner = owner;
    this.#writer = writer;
    this.#mostAtOnce = isSecured ? 0 : MOST_AT_ONCE;
  }

  /** Whether there is something that is not yet written, behind which all else has to wait. */
  get gathers(): boolean {
    return this.#size > 0;
  }

  /** @returns false for what had better be copied */
  take(bytes: Buffer, start: number, end: number): boolean {
    const size = end - start;
    if (this.#size === 0 && (size < COPY_LIMIT || output.joinsWhole(this.#owner, size))) return false;
    output.flushFor(this.#owner);
    handingOver!.gatherer = this;
    this.#views.push(bytes.subarray(start, end));
    this.#size += size;
    if (this.#size >= this.#mostAtOnce) this.writeKept();
    return true;
  }

  writeKept(): void {
    if (this.#size === 0) return;
    const views = this.#views;
    this.#views = [];
    this.#size = 0;
    if (this.#owner.closed) return;
    const isCopied = this.#owner.copiesWrites;
    if (this.#writer.writeAll(views)) return;
    if (!isCopied) this.#hold(handingOver!);
    this.#owner.blockIfFull();
  }

  #hold(keeper: Keeper): void {
    this.#keepers.push(keeper);
    keeper.keep();
  }

  /** All is written, or nothing will be. */
  letGo(): void {
    for (const keeper of this.#keepers.splice(0)) keeper.letGo();
  }
}
