import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fieldIdAt } from "./field-names.ts";
import type { FieldTable, HeadSource } from "./field-table.ts";
import { HttpHeaders } from "./http-headers.ts";

/** Fields as if they had been received, made without the parser. */
function received(...pairs: readonly (readonly [string, string])[]): HeadSource {
  const bytes = Buffer.from(pairs.map(([name, value]) => `${name}:${value}\r\n`).join(""), "latin1");
  const offsets = new Int32Array(pairs.length * 5);
  let at = 0;
  for (const [index, [name, value]] of pairs.entries()) {
    const nameEnd = at + name.length;
    const valueEnd = nameEnd + 1 + value.length;
    offsets.set([at, nameEnd, nameEnd + 1, valueEnd, fieldIdAt(bytes, at, nameEnd)], index * 5);
    at = valueEnd + 2;
  }
  const table: FieldTable = { bytes, offsets, count: pairs.length, fieldsEnd: at };
  return { table: () => table, retain() {}, settle() {} };
}

function overlay(): HttpHeaders {
  return new HttpHeaders(
    received(["Host", "a"], ["X-One", "1"], ["Set-Cookie", "s=1"], ["x-one", "2"], ["SET-COOKIE", "t=2"]),
  );
}

describe("headers over received fields", () => {
  test("are in order, in their spelling, with duplicates", () => {
    assert.deepEqual(
      [...overlay()],
      [
        ["Host", "a"],
        ["X-One", "1"],
        ["Set-Cookie", "s=1"],
        ["x-one", "2"],
        ["SET-COOKIE", "t=2"],
      ],
    );
  });

  test("are found in any spelling", () => {
    const headers = overlay();
    assert.equal(headers.get("HOST"), "a");
    assert.equal(headers.get("X-ONE"), "1, 2");
    assert.deepEqual(headers.getAll("set-cookie"), ["s=1", "t=2"]);
    assert.equal(headers.get("x-on"), null);
    assert.deepEqual(headers.getAll("nothing"), []);
    assert.equal(headers.has("hOsT"), true);
    assert.equal(headers.has("x-two"), false);
  });

  test("set replaces the first and takes out the others", () => {
    const headers = overlay();
    headers.set("X-one", "3");
    assert.deepEqual(
      [...headers],
      [
        ["Host", "a"],
        ["X-one", "3"],
        ["Set-Cookie", "s=1"],
        ["SET-COOKIE", "t=2"],
      ],
    );
    headers.set("x-one", "4");
    assert.equal(headers.get("x-one"), "4");
    assert.equal([...headers].length, 4);
  });

  test("set also takes out what was appended", () => {
    const headers = overlay();
    headers.append("host", "b");
    headers.append("X-New", "n");
    headers.append("x-new", "m");
    assert.equal(headers.get("host"), "a, b");
    headers.set("host", "c");
    assert.deepEqual(headers.getAll("host"), ["c"]);
    headers.set("x-new", "o");
    assert.deepEqual([...headers].slice(-1), [["x-new", "o"]]);
  });

  test("delete takes out all of a name and says whether there was one", () => {
    const headers = overlay();
    headers.append("Set-Cookie", "u=3");
    assert.equal(headers.delete("set-cookie"), true);
    assert.equal(headers.delete("set-cookie"), false);
    assert.equal(headers.has("set-cookie"), false);
    headers.append("set-cookie", "v=4");
    assert.deepEqual(headers.getAll("set-cookie"), ["v=4"]);
  });

  test("a deleted field that is set again stands at the end", () => {
    const headers = overlay();
    headers.delete("host");
    headers.set("host", "z");
    assert.deepEqual([...headers].at(-1), ["host", "z"]);
    assert.equal(headers.get("host"), "z");
  });

  test("a fork and its original don't see each other's changes", () => {
    const headers = overlay();
    headers.set("host", "before");
    headers.append("x-both", "1");
    const fork = headers.fork();
    fork.set("host", "fork");
    fork.append("x-fork", "1");
    fork.delete("x-both");
    headers.set("host", "original");
    headers.delete("x-one");
    assert.equal(headers.get("host"), "original");
    assert.equal(headers.has("x-fork"), false);
    assert.equal(headers.get("x-both"), "1");
    assert.equal(fork.get("host"), "fork");
    assert.equal(fork.get("x-one"), "1, 2");
    assert.equal(fork.has("x-both"), false);
  });

  test("copies of a table outlive its bytes", () => {
    const source = received(["A", "1"], ["b", "2"]);
    const headers = HttpHeaders.copyOf(source.table());
    source.table().bytes.fill(0x78);
    assert.deepEqual(
      [...headers],
      [
        ["A", "1"],
        ["b", "2"],
      ],
    );
  });
});

test("headers may be changed while one goes through them", () => {
  const headers = new HttpHeaders(received(["a", "1"], ["b", "2"], ["c", "3"]));
  const seen: string[] = [];
  for (const [name, value] of headers) {
    seen.push(`${name}=${value}`);
    headers.delete("b");
    headers.set("c", "4");
  }
  assert.deepEqual(seen, ["a=1", "c=4"]);
});

describe("headers made here", () => {
  test("come from pairs, maps and objects", () => {
    const expected = [
      ["A", "1"],
      ["b", "2"],
    ];
    assert.deepEqual([...HttpHeaders.from([["A", "1"], ["b", "2"]])], expected); // biome-ignore format: one line
    assert.deepEqual([...HttpHeaders.from(new Map(Object.entries({ A: "1", b: "2" })))], expected);
    assert.deepEqual([...HttpHeaders.from({ A: "1", b: "2" })], expected);
    assert.deepEqual(HttpHeaders.from({ "set-cookie": ["a", "b"] }).getAll("Set-Cookie"), ["a", "b"]);
  });

  test("show as JSON by lower-case name, also names that objects have of their own", () => {
    const headers = HttpHeaders.from([
      ["X", "1"],
      ["__proto__", "2"],
      ["x", "3"],
      ["constructor", "4"],
    ]);
    assert.equal(JSON.stringify(headers), '{"x":"1, 3","__proto__":"2","constructor":"4"}');
    assert.equal(headers.get("__proto__"), "2");
  });

  test("take no name or value that would change the message around them", () => {
    const headers = HttpHeaders.from({ safe: "yes" });
    for (const name of ["", "a b", "a:", "a\r\nb", "ä", "a\0", " a"]) {
      assert.throws(() => headers.set(name, "v"), TypeError);
      assert.throws(() => headers.append(name, "v"), TypeError);
    }
    for (const value of ["a\r\nb: c", "a\n", "\r", "\0", "\u010a", "\u010d\u010a", "😀"]) {
      assert.throws(() => headers.set("a", value), TypeError);
      assert.throws(() => headers.append("a", value), TypeError);
      assert.throws(() => HttpHeaders.from({ a: value }), TypeError);
    }
    assert.deepEqual([...headers], [["safe", "yes"]]);
  });
});

/** The same operations on a plain list, so slow and simple that it is right. */
class ListModel {
  pairs: [string, string][];

  constructor(pairs: [string, string][]) {
    this.pairs = pairs;
  }

  set(name: string, value: string): void {
    const first = this.pairs.findIndex(([other]) => isSame(other, name));
    if (first === -1) this.pairs.push([name, value]);
    else this.pairs[first] = [name, value];
    this.pairs = this.pairs.filter(
      ([other], index) => index === first || first === -1 || !isSame(other, name),
    );
  }

  delete(name: string): void {
    this.pairs = this.pairs.filter(([other]) => !isSame(other, name));
  }
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

test("headers do what a list of pairs does", () => {
  const name = fc.constantFrom("host", "Host", "x-a", "X-A", "via", "content-length", "b");
  const pair = fc.tuple(name, fc.constantFrom("1", "2", "3"));
  const operation = fc.tuple(fc.constantFrom("set", "append", "delete", "fork"), pair);
  fc.assert(
    fc.property(fc.array(pair), fc.array(operation), (initial, operations) => {
      let headers = new HttpHeaders(received(...initial));
      const model = new ListModel([...initial]);
      for (const [what, [key, value]] of operations) {
        if (what === "set") {
          headers.set(key, value);
          model.set(key, value);
        } else if (what === "append") {
          headers.append(key, value);
          model.pairs.push([key, value]);
        } else if (what === "delete") {
          headers.delete(key);
          model.delete(key);
        } else headers = headers.fork();
        assert.deepEqual([...headers], model.pairs);
        assert.deepEqual(
          headers.getAll(key),
          model.pairs.filter(([other]) => isSame(other, key)).map(([, one]) => one),
        );
      }
    }),
  );
});
