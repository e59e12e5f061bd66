import { KEY_SEPARATOR } from "../../base/traffic/traffic-book.ts";
import { type TrafficKind, TrafficMemory } from "../../base/traffic/traffic-memory.ts";
import { addRow, ROW_NUMBERS, TrafficCount } from "../../base/traffic/traffic-row.ts";

/** A place that traffic passes, and what all threads have counted there. */
export interface PlaceSum {
  readonly kind: TrafficKind;
  readonly name: string;
  /** Of a route; "" for anything else. */
  readonly listener: string;
  readonly row: Float64Array;
}

/** Places that are remembered though none of the threads counts there any more: the oldest go first. */
const MOST_GONE = 512;

interface KnownEntry extends Omit<PlaceSum, "row"> {
  readonly version: number;
  readonly id: string;
}

/** One thread's memory with what its entries said last: they hardly ever change. */
interface Book {
  readonly memory: TrafficMemory;
  readonly entries: (KnownEntry | undefined)[];
}

/** Adds up what threads count at the same places: those that run, and those that are gone. */
export class PlaceSums {
  readonly #books = new Map<SharedArrayBuffer, Book>();
  /** What threads have counted that are gone, by place. */
  readonly #gone = new Map<string, PlaceSum>();
  /** What was read last: its rows are written anew each time. */
  readonly #sums = new Map<string, PlaceSum>();

  add(buffer: SharedArrayBuffer): void {
    this.#books.set(buffer, { memory: new TrafficMemory(buffer), entries: [] });
  }

  /** Its thread is gone: what it has counted stays, but nothing of it is open any more. */
  remove(buffer: SharedArrayBuffer): void {
    const book = this.#books.get(buffer);
    if (book === undefined) return;
    this.#books.delete(buffer);
    addBook(this.#gone, book, new Set());
    for (const { row } of this.#gone.values()) {
      row[TrafficCount.connectionsOpen] = 0;
      row[TrafficCount.requestsOpen] = 0;
    }
    const here = new Set(
      [...this.#books.values()].flatMap(({ entries }) => entries.map((entry) => entry?.id)),
    );
    for (const id of this.#gone.keys()) {
      if (this.#gone.size <= MOST_GONE) return;
      if (!here.has(id)) this.#gone.delete(id);
    }
  }

  /** All places by their ids, those first that were met first. They are good until this is called again. */
  read(): ReadonlyMap<string, PlaceSum> {
    const sums = this.#sums;
    for (const { row } of sums.values()) row.fill(0);
    const seen = new Set<string>();
    for (const [id, sum] of this.#gone) {
      seen.add(id);
      addRow(rowOf(sums, id, sum), sum.row);
    }
    for (const book of this.#books.values()) addBook(sums, book, seen);
    for (const id of sums.keys()) if (!seen.has(id)) sums.delete(id);
    // What passes a route is counted there alone, and is its listener's too.
    for (const { kind, listener, row } of sums.values()) {
      const whole = kind === "route" ? sums.get(idOf("listener", listener)) : undefined;
      if (whole !== undefined) addRow(whole.row, row);
    }
    return sums;
  }
}

function addBook(sums: Map<string, PlaceSum>, book: Book, seen: Set<string>): void {
  const { memory } = book;
  const { used } = memory;
  for (let place = 0; place < used; place++) {
    const entry = entryOf(book, place);
    if (entry === null) continue;
    seen.add(entry.id);
    addRow(rowOf(sums, entry.id, entry), memory.row(place));
  }
}

function rowOf(
  sums: Map<string, PlaceSum>,
  id: string,
  { kind, name, listener }: Omit<PlaceSum, "row">,
): Float64Array {
  const fresh = (): PlaceSum => ({ kind, name, listener, row: new Float64Array(ROW_NUMBERS) });
  return sums.getOrInsertComputed(id, fresh).row;
}

function entryOf({ memory, entries }: Book, place: number): KnownEntry | null {
  const known = entries[place];
  if (known !== undefined && known.version === memory.version(place)) return known;
  const entry = memory.entry(place);
  if (entry === null) return null;
  const { version, kind, key } = entry;
  const [listener, name] = splitKey(key);
  const fresh = { version, kind, listener, name, id: idOf(kind, key) };
  entries[place] = fresh;
  return fresh;
}

function idOf(kind: TrafficKind, key: string): string {
  return `${kind} ${key}`;
}

function splitKey(key: string): [listener: string, name: string] {
  const at = key.indexOf(KEY_SEPARATOR);
  return at === -1 ? ["", key] : [key.slice(0, at), key.slice(at + 1)];
}
