import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KEY_SEPARATOR, TrafficBook } from "./traffic-book.ts";
import { allocateTraffic, KEY_BYTES, TrafficMemory } from "./traffic-memory.ts";
import { TrafficCount } from "./traffic-row.ts";

interface Made {
  readonly book: TrafficBook;
  readonly memory: TrafficMemory;
  /** What the entries say. */
  readonly keys: () => string[];
}

function make(rows: number): Made {
  const buffer = allocateTraffic(rows, 0);
  const memory = new TrafficMemory(buffer);
  const keys = (): string[] =>
    Array.from({ length: memory.used }, (_, place) => {
      const { kind, key } = memory.entry(place)!;
      return `${kind} ${key}`;
    });
  return { book: new TrafficBook(buffer), memory, keys };
}

const { requests } = TrafficCount;

describe("a row", () => {
  test("is the same for the same name, and another one for another kind or listener", () => {
    const { book, keys } = make(8);
    const web = book.row("listener", "web");
    assert.equal(book.row("listener", "web"), web);
    const others = [
      book.row("upstream", "web"),
      book.row("route", "web", "a"),
      book.row("route", "web", "b"),
    ];
    assert.equal(new Set([web, ...others]).size, 4);
    assert.deepEqual(keys(), [
      "other ",
      "listener web",
      "upstream web",
      `route a${KEY_SEPARATOR}web`,
      `route b${KEY_SEPARATOR}web`,
    ]);
  });

  test("goes to another when there is no room, and who still counts there counts among others", () => {
    const { book, memory, keys } = make(2);
    const old = book.row("upstream", "old");
    book.row("upstream", "kept");
    old.add(requests);
    book.row("upstream", "kept");
    const fresh = book.row("upstream", "fresh");
    assert.deepEqual(keys(), ["other ", "upstream fresh", "upstream kept"]);
    assert.equal(memory.row(1)[requests], 0);
    old.add(requests);
    fresh.add(requests, 5);
    assert.deepEqual([memory.row(0)[requests], memory.row(1)[requests]], [1, 5]);
  });

  test("of a route leaves what it has to its listener", () => {
    const { book, memory } = make(2);
    book.row("route", "r", "web").add(requests, 3);
    book.row("listener", "web");
    book.row("upstream", "new");
    assert.deepEqual([memory.row(2)[requests], memory.row(1)[requests]], [3, 0]);
  });

  test("has a key of bounded length, whatever its name", () => {
    const { book, keys } = make(8);
    const name = "ü".repeat(KEY_BYTES);
    assert.notEqual(book.row("listener", `${name}1`), book.row("listener", `${name}2`));
    for (const key of keys().slice(1)) {
      assert.match(key, /^listener ü+…[0-9a-f]{8}$/);
      assert.ok(Buffer.byteLength(key) <= KEY_BYTES + "listener ".length);
    }
  });
});

test("where nobody has room, all count among others", () => {
  const { book, memory } = make(0);
  assert.equal(book.row("listener", "web"), book.others);
  book.row("upstream", "a").add(requests);
  assert.equal(memory.row(0)[requests], 1);
});
