import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Output, type OutputOwner } from "./output.ts";
import { type OutputSlab, returnOutputSlab } from "./slabs.ts";

/** Takes what is gathered; while `isSlow`, every write has to wait and keeps its slab. */
class Owner implements OutputOwner {
  readonly writes: string[] = [];
  readonly kept: { readonly view: Buffer; readonly slab: OutputSlab; readonly text: string }[] = [];
  isSlow = false;
  onWrite: (() => void) | null = null;

  writeGathered(view: Buffer, slab: OutputSlab): boolean {
    const text = view.toString("latin1");
    this.writes.push(text);
    if (this.isSlow) this.kept.push({ view, slab, text });
    this.onWrite?.();
    return !this.isSlow;
  }
}

describe("the output of a thread", () => {
  test("gathers what one turn says into one write", () => {
    const output = new Output();
    const owner = new Owner();
    output.beginTurn();
    output.text(owner, "head ");
    output.copy(owner, Buffer.from("..body.."), 2, 6);
    output.text(owner, " \xff");
    assert.deepEqual(owner.writes, []);
    output.endTurn();
    assert.deepEqual(owner.writes, ["head body \xff"]);
    output.endTurn();
    assert.equal(owner.writes.length, 1);
  });

  test("flushes for one when another wants to write", () => {
    const output = new Output();
    const [a, b] = [new Owner(), new Owner()];
    output.beginTurn();
    output.text(a, "1");
    output.text(b, "2");
    output.text(a, "3");
    assert.deepEqual([a.writes, b.writes], [["1"], ["2"]]);
    output.flushFor(b);
    assert.deepEqual(a.writes, ["1"]);
    output.flushFor(a);
    assert.deepEqual(a.writes, ["1", "3"]);
    output.endTurn();
    assert.equal(a.writes.length + b.writes.length, 3);
  });

  test("flushes by itself outside of a turn, once what runs is over", async () => {
    const output = new Output();
    const [a, b] = [new Owner(), new Owner()];
    output.text(a, "1");
    output.text(a, "2");
    output.text(b, "3");
    await nextTurn();
    assert.deepEqual([a.writes, b.writes], [["12"], ["3"]]);
    output.text(a, "4");
    await nextTurn();
    assert.deepEqual(a.writes, ["12", "4"]);
  });

  test("writes what is larger than a slab in order and whole", () => {
    const output = new Output();
    const owner = new Owner();
    const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) & 0xff));
    output.beginTurn();
    output.text(owner, "start");
    output.copy(owner, large, 0, large.length);
    output.text(owner, "x".repeat(100_000));
    output.endTurn();
    assert.equal(owner.writes.join(""), `start${large.toString("latin1")}${"x".repeat(100_000)}`);
  });

  test("never writes into a slab whose write has to wait", () => {
    const output = new Output();
    const owner = new Owner();
    owner.isSlow = true;
    output.beginTurn();
    for (let i = 0; i < 50; i++) {
      output.text(owner, `${i}`.repeat(3000));
      output.flushFor(owner);
    }
    output.endTurn();
    assert.equal(new Set(owner.kept.map(({ slab }) => slab)).size, 50);
    for (const { view, text } of owner.kept) assert.equal(view.toString("latin1"), text);
    for (const { slab } of owner.kept) returnOutputSlab(slab);
  });

  test("takes what is said while it writes, and keeps it apart", () => {
    const output = new Output();
    const [slow, other] = [new Owner(), new Owner()];
    slow.isSlow = true;
    slow.onWrite = () => {
      slow.onWrite = null;
      output.text(other, "about it");
    };
    output.beginTurn();
    output.text(slow, "the first");
    output.endTurn();
    output.flushFor(other);
    assert.deepEqual(other.writes, ["about it"]);
    assert.equal(slow.kept[0]!.view.toString("latin1"), "the first");
  });

  test("keeps the order when the owner of the turn changes while it writes", () => {
    const output = new Output();
    const [a, b] = [new Owner(), new Owner()];
    a.onWrite = () => {
      a.onWrite = null;
      output.text(a, "2");
    };
    output.beginTurn();
    output.text(a, "1");
    output.text(b, "x");
    output.text(a, "3");
    output.endTurn();
    assert.deepEqual(a.writes.join(""), "123");
    assert.deepEqual(b.writes, ["x"]);
  });
});
