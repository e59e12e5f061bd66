import { MetaView } from "../../cache/meta-view.ts";
import { EMPTY_TABLE, FIELD_STRIDE, type FieldTable } from "../../http/field-table.ts";
import type { BodyLength, FieldRun } from "../../http/heads.ts";
import { ResponseHead, type ResponseSource } from "../../http/heads.ts";
import { reasonPhrase } from "../../http/status.ts";

/** Fields that most heads have no more of. */
const SHARED_FIELDS = 64;
/** Where the fields of the head that is being sent stand; whoever keeps a head has an array of its own. */
const shared = new Int32Array(SHARED_FIELDS * FIELD_STRIDE);
/** Whose fields these are. */
let owner: StoredSource | null = null;
let ownersTable: FieldTable = EMPTY_TABLE;
const view = new MetaView();

/** The head of a stored response, in the bytes that the store has lent. */
class StoredSource implements ResponseSource {
  #bytes: Buffer | null;
  readonly #status: number;
  #isKept = false;
  #table: FieldTable | null = null;
  run: FieldRun | null;

  constructor(bytes: Buffer, status: number, run: FieldRun) {
    this.#bytes = bytes;
    this.#status = status;
    this.run = run;
  }

  table(): FieldTable {
    if (this.#bytes === null) return EMPTY_TABLE;
    if (this.#table !== null) return this.#table;
    if (owner === this) return ownersTable;
    view.of(this.#bytes);
    const count = view.fieldCount;
    if (this.#isKept || count > SHARED_FIELDS) {
      this.#table = view.toTable(new Int32Array(count * FIELD_STRIDE));
      return this.#table;
    }
    owner = this;
    ownersTable = view.toTable(shared);
    return ownersTable;
  }

  reason(): string {
    return reasonPhrase(this.#status);
  }

  retain(): void {
    if (this.#isKept || this.#bytes === null) return;
    this.#isKept = true;
    this.#bytes = Buffer.from(this.#bytes);
    this.run = null;
    this.#table = null;
    if (owner === this) owner = null;
  }

  settle(): void {
    if (this.#isKept) return;
    this.#bytes = null;
    this.run = null;
    if (owner === this) owner = null;
  }
}

/**
 * The head of a stored response, to be changed and sent.
 * @param meta borrowed until the head's source is settled, unless it was retained
 */
export function storedHead(meta: Buffer, body: BodyLength): ResponseHead {
  view.of(meta);
  const { status, present } = view;
  const head = new ResponseHead(new StoredSource(meta, status, view.run()), status, body);
  head.present = present;
  return head;
}
