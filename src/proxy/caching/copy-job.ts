import { canHold, encodeMeta, type FieldLine } from "../../cache/meta.ts";
import { MetaView } from "../../cache/meta-view.ts";
import { NOBODY } from "../../cache/nobody.ts";
import type { CacheEntry, CacheKey, CacheStore, EntryWriter, WriterOwner } from "../../cache/store.ts";
import type { UpstreamSink } from "../../http/streams.ts";
import type { BodyCoder, BodyCoding, CoderOwner } from "../body-coder.ts";
import { StoredStream, WHOLE } from "./stored-stream.ts";

/** What is to be made. */
export interface CopyTarget {
  readonly key: CacheKey;
  /** How clients get it that don't get a copy. */
  readonly way: BodyCoding;
  /** Of the head that goes with it; none: it has to be made each time. */
  readonly fields: readonly FieldLine[];
}

/** Who waits for a copy. */
export interface CopyOwner {
  /** Called once, perhaps before `CodedCopies.make` returns. @param body null: there is none, and it has to be coded on its way */
  onCopy(body: readonly Buffer[] | null): void;
}

const view = new MetaView();

/** What stands with a copy of a response with this meta. */
export function copyMeta(
  meta: Buffer,
  key: string,
  bodyLength: number,
  fields: readonly FieldLine[],
): Buffer {
  return encodeMeta({ ...view.of(meta).decode(), key, bodyLength, fields: canHold(fields) ? fields : [] });
}

/**
 * Codes one stored body, and stores what comes of it:
 *
 *     response in the store ─▶ coder ─┬─ awaited ─▶ gathered ─▶ stored in one go, and sent to all who wait
 *                                     └─ aside ───▶ stored as it comes; nobody waits
 *
 * Nobody reads along: a client is never cut off because a store has failed, and waits for nobody who is slow.
 */
export class CopyJob implements UpstreamSink, CoderOwner, WriterOwner {
  readonly #store: CacheStore;
  readonly #target: CopyTarget;
  /** Of the response, when the copy was asked for. */
  readonly #meta: Buffer;
  readonly #isAside: boolean;
  readonly #onOver: () => void;
  #owners: CopyOwner[] = [];
  #stream: StoredStream | null = null;
  #coder: BodyCoder | null = null;
  #pieces: Buffer[] = [];
  #writer: EntryWriter | null = null;
  #isOver = false;

  /**
   * @param meta of the response; copied
   * @param onOver called once, before anybody is told
   */
  constructor(store: CacheStore, target: CopyTarget, meta: Buffer, isAside: boolean, onOver: () => void) {
    this.#store = store;
    this.#target = target;
    this.#meta = Buffer.from(meta);
    this.#isAside = isAside;
    this.#onOver = onOver;
  }

  /** Has an owner wait for it. @returns false where nobody can */
  tell(owner: CopyOwner): boolean {
    if (!this.#isAside) this.#owners.push(owner);
    return !this.#isAside;
  }

  /** @param entry held; the job lets go of it */
  start(entry: CacheEntry): void {
    const { key, way } = this.#target;
    this.#stream = new StoredStream(entry, WHOLE);
    if (this.#isAside) {
      this.#writer = this.#store.begin(key, this.#metaFor(-1), null, this);
      if (this.#writer === null) {
        this.fail();
        return;
      }
    }
    const { bodyLength } = view.of(this.#meta);
    this.#coder = way.forCopies.open(this, bodyLength < 0 ? entry.length : bodyLength);
    this.#stream.begin(this);
  }

  /** Nothing comes of it. */
  fail(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#coder?.stop();
    this.#stream?.abort();
    this.#writer?.abort();
    this.#end(null);
  }

  #end(body: readonly Buffer[] | null): void {
    this.#onOver();
    const owners = this.#owners;
    this.#owners = [];
    for (const owner of owners) owner.onCopy(body);
  }

  #metaFor(bodyLength: number): Buffer {
    const { key, fields } = this.#target;
    return copyMeta(this.#meta, key.text, bodyLength, fields);
  }

  // ── from the store ─────────────────────────────────────────────────────────────────────────────────────────────

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    this.#coder!.push(bytes, start, end);
  }

  onResponseEnd(): void {
    this.#coder!.end();
  }

  onUpstreamError(): void {
    this.fail();
  }

  onInformational(): void {}

  onResponseHead(): void {}

  onUpstreamBlocked(): void {}

  onUpstreamDrained(): void {}

  // ── from the coder ─────────────────────────────────────────────────────────────────────────────────────────────

  onCoded(bytes: Buffer, start: number, end: number): void {
    if (this.#writer === null) this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    else if (!this.#writer.write(bytes, start, end)) this.#coder!.pause();
  }

  onCodedEnd(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#writer === null) this.#storeAll();
    const stored = this.#writer?.finish();
    // Who is told looks for it.
    if (stored instanceof Promise) void stored.then(() => this.#end(this.#pieces));
    else this.#end(this.#pieces);
  }

  onCoderBusy(): void {
    this.#stream!.pauseResponse();
  }

  onCoderIdle(): void {
    this.#stream!.resumeResponse();
  }

  onCoderFailed(): void {
    this.fail();
  }

  // ── into the store ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A store that has no room for it is asked again by the next one who wants it. */
  #storeAll(): void {
    const length = this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
    const writer = this.#store.begin(this.#target.key, this.#metaFor(length), length, NOBODY);
    for (const piece of this.#pieces) writer?.write(piece, 0, piece.length);
    writer?.finish();
  }

  onDrain(): void {
    if (!this.#isOver) this.#coder!.resume();
  }

  onFailure(): void {
    this.#writer = null;
    this.fail();
  }
}
