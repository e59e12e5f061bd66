import { TopList } from "./top-list.ts";
import { KEY_BYTES, type TrafficKind, TrafficMemory } from "./traffic-memory.ts";
import { addRow, TrafficRow } from "./traffic-row.ts";

/** What stands between a route's listener and its name in a key: no name has it. */
export const KEY_SEPARATOR = "\u0000";

interface OpenRow {
  readonly row: TrafficRow;
  readonly place: number;
  /** The listener of a route; "" for anything else. */
  readonly of: string;
}

/** Where one thread counts the traffic that passes it. It alone writes; see `TrafficMemory`. */
export class TrafficBook {
  readonly clients: TopList | null;
  readonly paths: TopList | null;
  readonly #memory: TrafficMemory;
  /** By kind and key, the one that was opened longest ago first. */
  readonly #open = new Map<string, OpenRow>();
  /** Where all is counted that has no place of its own. */
  readonly others: TrafficRow;
  #used = 1;

  constructor(buffer: SharedArrayBuffer) {
    const memory = new TrafficMemory(buffer);
    this.#memory = memory;
    memory.assign(0, "other", Buffer.alloc(0));
    this.others = new TrafficRow(memory.numbers, memory.rowAt(0));
    this.clients = memory.clients === null ? null : new TopList(memory.clients, memory.seed);
    this.paths = memory.paths === null ? null : new TopList(memory.paths, ~memory.seed);
  }

  /**
   * Where to count what passes a place; the same for the same name. When there is no room the one goes that was asked for
   * longest ago: it is most likely a configuration's that is gone. Whoever still counts there counts among others.
   * @param of the listener of a route; "" for anything else
   */
  row(kind: TrafficKind, name: string, of: string = ""): TrafficRow {
    const key = toKey(of === "" ? name : of + KEY_SEPARATOR + name);
    const id = idOf(kind, key);
    const known = this.#open.get(id);
    if (known !== undefined) {
      this.#open.delete(id);
      this.#open.set(id, known);
      return known.row;
    }
    const place = this.#used < this.#memory.rows ? this.#used++ : this.#evict();
    if (place === 0) return this.others;
    this.#memory.assign(place, kind, key);
    const row = new TrafficRow(this.#memory.numbers, this.#memory.rowAt(place));
    this.#open.set(id, { row, place, of });
    return row;
  }

  #evict(): number {
    const [oldest] = this.#open;
    if (oldest === undefined) return 0;
    const [id, { row, place, of }] = oldest;
    this.#open.delete(id);
    // A route's traffic is its listener's too.
    const whole = of === "" ? undefined : this.#open.get(idOf("listener", toKey(of)));
    if (whole !== undefined) addRow(this.#memory.row(whole.place), this.#memory.row(place));
    row.move(this.#memory.rowAt(0));
    return place;
  }
}

function idOf(kind: TrafficKind, key: Buffer): string {
  return `${kind} ${key.toString("latin1")}`;
}

const HASH_LENGTH = 8;

/** Of a name that is too long the end is left out, and a hash of all of it put there: long names are mostly alike. */
function toKey(name: string): Buffer {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length <= KEY_BYTES) return bytes;
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  const end = `…${(hash >>> 0).toString(16).padStart(HASH_LENGTH, "0")}`;
  // A character that was cut in two would be read as another, longer one.
  const kept = bytes
    .subarray(0, KEY_BYTES - Buffer.byteLength(end) - 3)
    .toString("utf8")
    .replace(/\ufffd$/, "");
  return Buffer.from(kept + end, "utf8");
}
