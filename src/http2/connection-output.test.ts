import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextRound } from "node:timers/promises";
import { type OutputOwner, output } from "../net/output.ts";
import { type OutputSlab, returnOutputSlab } from "../net/slabs.ts";
import { ConnectionOutput, type ConnectionOutputOwner } from "./connection-output.ts";

/** A connection whose writes are kept; while `isSlow`, every one has to wait and keeps its slab. */
class Connection implements OutputOwner, ConnectionOutputOwner {
  readonly writes: string[] = [];
  readonly kept: OutputSlab[] = [];
  readonly output: ConnectionOutput = new ConnectionOutput(this, this);
  expectsMore = false;
  isSlow = false;
  onWrite: (() => void) | null = null;

  writeGathered(view: Buffer, slab: OutputSlab): boolean {
    this.writes.push(view.toString("latin1"));
    if (this.isSlow) this.kept.push(slab);
    this.onWrite?.();
    return !this.isSlow;
  }

  say(text: string): void {
    this.output.reserve(text.length);
    this.output.at += this.output.slab.write(text, this.output.at, "latin1");
  }
}

function inTurn(run: () => void): void {
  output.beginTurn();
  run();
  output.endTurn();
}

describe("the output of an HTTP/2 connection", () => {
  test("leaves with the turn that says it when nothing is waited for", () => {
    const connection = new Connection();
    inTurn(() => {
      connection.say("head ");
      connection.say("body");
      assert.deepEqual(connection.writes, []);
    });
    assert.deepEqual(connection.writes, ["head body"]);
  });

  test("is gathered from many turns while other streams may have something to say", async () => {
    const connection = new Connection();
    connection.expectsMore = true;
    for (const word of ["one ", "two ", "three"]) inTurn(() => connection.say(word));
    assert.deepEqual(connection.writes, []);
    await nextRound();
    assert.deepEqual(connection.writes, ["one two three"]);
  });

  test("leaves with the turn of the last stream", async () => {
    const connection = new Connection();
    connection.expectsMore = true;
    inTurn(() => connection.say("one "));
    inTurn(() => {
      connection.say("two");
      connection.expectsMore = false;
    });
    assert.deepEqual(connection.writes, []);
    await nextRound();
    assert.deepEqual(connection.writes, ["one two"]);
  });

  test("leaves by itself outside of a turn", async () => {
    const connection = new Connection();
    connection.say("alone");
    assert.deepEqual(connection.writes, []);
    await nextRound();
    assert.deepEqual(connection.writes, ["alone"]);
  });

  test("moves to a larger slab before it is written, and is written before there is a larger one", () => {
    const connection = new Connection();
    const piece = (letter: string) => letter.repeat(16_000);
    inTurn(() => {
      connection.say("begin ");
      for (const letter of "abcdef") connection.say(piece(letter));
      assert.deepEqual(connection.writes, []);
      connection.say(piece("g"));
      connection.say(piece("h").repeat(10));
    });
    const all = `begin ${[..."abcdefg"].map(piece).join("")}${piece("h").repeat(10)}`;
    assert.equal(connection.writes.join("") === all, true);
    assert.deepEqual(
      connection.writes.map(({ length }) => length),
      [6 + 6 * 16_000, 16_000, 160_000],
    );
  });

  test("never writes again into a slab that waits with its write", () => {
    const slow = new Connection();
    slow.isSlow = true;
    inTurn(() => slow.say("waits"));
    const other = new Connection();
    inTurn(() => other.say("OTHER"));
    const [slab] = slow.kept;
    assert.equal(slab!.view(5).toString("latin1"), "waits");
    returnOutputSlab(slab!);
  });

  test("takes what is said while it is written", async () => {
    const connection = new Connection();
    connection.onWrite = () => {
      connection.onWrite = null;
      connection.say("more");
    };
    inTurn(() => connection.say("first"));
    await nextRound();
    assert.deepEqual(connection.writes, ["first", "more"]);
  });
});
