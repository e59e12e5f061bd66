import { EMPTY_TABLE, FIELD_STRIDE, type FieldTable } from "../http/field-table.ts";
import { type BodyLength, ResponseHead, type ResponseSource } from "../http/heads.ts";
import { reasonPhrase } from "../http/status.ts";
import { MetaView } from "./meta-view.ts";

/** Fields for which there is room in the arrays that are used again. */
const USUAL_FIELDS = 48;
/** Arrays that wait to be used again. */
const MOST_IDLE = 64;

/** Makes response heads of stored metas, for one thread. */
export class StoredHeads {
  readonly #idle: Int32Array[] = [];
  readonly #view = new MetaView();

  /**
   * @param meta borrowed until `head.source.settle()`, or until `head.source.retain()` has copied it
   * @param status another one than it was stored with, as 206
   */
  of(meta: Buffer, status: number, body: BodyLength): ResponseHead {
    const view = this.#view.of(meta);
    const head = new ResponseHead(new StoredSource(this, meta, status), status, body);
    head.present = view.present;
    return head;
  }

  /** @internal where the fields of a meta stand */
  lend(meta: Buffer): FieldTable {
    const view = this.#view.of(meta);
    const isUsual = view.fieldCount <= USUAL_FIELDS;
    const idle = isUsual ? this.#idle.pop() : undefined;
    const fields = isUsual ? USUAL_FIELDS : view.fieldCount;
    return view.toTable(idle ?? new Int32Array(fields * FIELD_STRIDE));
  }

  /** @internal nobody reads that table any more */
  giveBack({ offsets }: FieldTable): void {
    const isUsual = offsets.length === USUAL_FIELDS * FIELD_STRIDE;
    if (isUsual && this.#idle.length < MOST_IDLE) this.#idle.push(offsets);
  }
}

/**
 * The fields of a stored response where they lie in its meta: nothing is copied or decoded, and the numbers that say where
 * they stand are in an array that is used again. What wasn't retained when it is settled reads as empty.
 */
class StoredSource implements ResponseSource {
  readonly #heads: StoredHeads;
  readonly #status: number;
  /** null once it is settled. */
  #meta: Buffer | null;
  #table: FieldTable | null = null;
  #isRetained = false;

  constructor(heads: StoredHeads, meta: Buffer, status: number) {
    this.#heads = heads;
    this.#meta = meta;
    this.#status = status;
  }

  table(): FieldTable {
    if (this.#meta === null) return EMPTY_TABLE;
    this.#table ??= this.#heads.lend(this.#meta);
    return this.#table;
  }

  reason(): string {
    return reasonPhrase(this.#status);
  }

  retain(): void {
    if (this.#isRetained || this.#meta === null) return;
    this.#isRetained = true;
    this.#meta = Buffer.from(this.#meta);
    if (this.#table !== null) this.#table = { ...this.#table, bytes: this.#meta };
  }

  settle(): void {
    if (this.#isRetained) return;
    this.#meta = null;
    if (this.#table !== null) this.#heads.giveBack(this.#table);
    this.#table = null;
  }
}
