// In a process of its own: it measures memory.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { usedMemory } from "../../test/kit/memory.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { Http2Error } from "./error-codes.ts";
import { ReceiveWindow } from "./flow-window.ts";
import { RoundTrip } from "./round-trip.ts";
import { StreamCore, type StreamOwner } from "./stream-core.ts";
import { StreamState } from "./stream-states.ts";

/** A connection that sends what its room allows, and writes down what it is told. */
class Owner implements StreamOwner {
  room = 0;
  sent = "";
  scheduled = 0;
  released = 0;
  readonly ends: (string | null)[] = [];

  sendData(_stream: StreamCore, bytes: Buffer, start: number, end: number): number {
    const at = Math.min(end, start + this.room);
    this.room -= at - start;
    this.sent += bytes.toString("latin1", start, at);
    return at;
  }

  sendEndOf(stream: StreamCore, trailers: HttpHeaders | null): void {
    this.ends.push(trailers?.get("x-end") ?? null);
    stream.state = StreamState.LocalEnded;
  }

  schedule(): void {
    this.scheduled++;
  }

  sendWindowUpdate(_stream: StreamCore, increment: number): void {
    this.released += increment;
  }

  resetStream(stream: StreamCore, _code: Http2Error): void {
    stream.state = StreamState.Closed;
  }
}

const WINDOW = 1000;

class Stream extends StreamCore {
  readonly events: string[] = [];
  received = "";
  /** Called with each piece that is handed on. */
  onPiece: (() => void) | null = null;

  constructor(owner: Owner) {
    super(owner, WINDOW, new ReceiveWindow(WINDOW, WINDOW, new RoundTrip(() => 0)));
    this.state = StreamState.Open;
  }

  send(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    this.write(bytes, 0, bytes.length);
    // What is written is borrowed.
    bytes.fill("#");
  }

  take(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    assert.ok(this.receives.receive(bytes.length));
    this.receive(bytes, 0, bytes.length);
    bytes.fill("#");
  }

  finish(trailers: HttpHeaders | null = null): void {
    this.endWriting(trailers);
  }

  pause(): void {
    this.pauseReading();
  }

  resume(): void {
    this.resumeReading();
  }

  forget(): void {
    this.drop();
  }

  protected onBody(bytes: Buffer, start: number, end: number): void {
    this.received += bytes.toString("latin1", start, end);
    this.onPiece?.();
  }

  protected onBodyEnd(trailers: HttpHeaders | null): void {
    this.events.push(`end ${trailers?.get("x-end") ?? ""}`.trim());
  }

  protected onSendBlocked(): void {
    this.events.push("blocked");
  }

  protected onSendDrained(): void {
    this.events.push("drained");
  }

  onReset(): void {}
  onBroken(): void {}
  onConnectionLost(): void {}
}

/** Gives a stream its turns until nothing is left, and returns how many there were. */
function turns(stream: Stream, most: number): number {
  for (let i = 1; ; i++) {
    if (!stream.sendQueued(most)) continue;
    stream.finishQueue();
    return i;
  }
}

const trailers = HttpHeaders.from({ "x-end": "yes" });

describe("what a stream sends", () => {
  test("goes at once as far as it may, and waits as a copy from there on", () => {
    const owner = new Owner();
    const stream = new Stream(owner);
    owner.room = 8;
    stream.send("hello");
    assert.deepEqual([owner.sent, stream.blocked, stream.events], ["hello", false, []]);
    stream.send(" you");
    stream.send(" there");
    assert.deepEqual([owner.sent, stream.blocked, stream.events], ["hello yo", true, ["blocked"]]);
    owner.room = 100;
    turns(stream, 100);
    assert.deepEqual([owner.sent, stream.blocked], ["hello you there", false]);
    assert.deepEqual(stream.events, ["blocked", "drained"]);
  });

  test("ends behind what waits, with its trailers, and nobody is told to go on", () => {
    const owner = new Owner();
    const stream = new Stream(owner);
    stream.send("hello");
    stream.finish(trailers);
    assert.deepEqual(owner.ends, []);
    owner.room = 100;
    turns(stream, 2);
    assert.deepEqual([owner.sent, owner.ends, stream.events], ["hello", ["yes"], ["blocked"]]);
  });

  test("in single bytes waits in few pieces", () => {
    const owner = new Owner();
    const stream = new Stream(owner);
    const text = Array.from({ length: 20_000 }, (_, i) => String(i % 10)).join("");
    for (const byte of text) stream.send(byte);
    owner.room = 100_000;
    assert.ok(turns(stream, 16_384) <= 6);
    assert.equal(owner.sent, text);
  });

  test("in small pieces takes hardly more memory than it has bytes", () => {
    const streams = Array.from({ length: 20 }, () => new Stream(new Owner()));
    const before = usedMemory();
    for (const stream of streams) for (let i = 0; i < 20_000; i++) stream.send("abc");
    const grown = usedMemory() - before;
    assert.ok(grown < 3_000_000, `${grown} bytes for ${20 * 60_000}`);
    for (const stream of streams) stream.forget();
  });

  test("is thrown away when it is of no use any more", () => {
    const owner = new Owner();
    const stream = new Stream(owner);
    stream.send("hello");
    stream.finish();
    stream.forget();
    assert.equal(stream.hasQueue, false);
    owner.resetStream(stream, 0);
    stream.send("more");
    stream.finish();
    assert.deepEqual([owner.sent, owner.ends], ["", []]);
  });
});

describe("what a stream receives", () => {
  test("is handed on as it comes, and its room given back", () => {
    const owner = new Owner();
    const stream = new Stream(owner);
    for (let i = 0; i < 10; i++) stream.take("x".repeat(500));
    assert.equal(stream.received.length, 5000);
    assert.ok(owner.released >= 4500, String(owner.released));
    stream.receiveEnd(trailers);
    assert.deepEqual(stream.events, ["end yes"]);
  });

  test("is held while nobody takes it, its room with it, and so is its end", () => {
    const owner = new Owner();
    const stream = new Stream(owner);
    stream.pause();
    stream.take("a".repeat(600));
    stream.take("b".repeat(400));
    stream.receiveEnd(null);
    assert.deepEqual([stream.received, owner.released, stream.events], ["", 0, []]);
    assert.equal(stream.receives.receive(1), false);
    stream.resume();
    assert.equal(stream.received, "a".repeat(600) + "b".repeat(400));
    assert.deepEqual(stream.events, ["end"]);
  });

  test("may be stopped in the middle of what was held", () => {
    const stream = new Stream(new Owner());
    stream.pause();
    stream.take("a".repeat(400));
    stream.onPiece = () => stream.pause();
    stream.resume();
    stream.take("b");
    stream.receiveEnd(null);
    assert.deepEqual([stream.received.length, stream.events], [400, []]);
    stream.resume();
    assert.deepEqual([stream.received.length, stream.events], [401, []]);
    stream.resume();
    assert.deepEqual(stream.events, ["end"]);
  });

  test("keeps its order, whatever happens while it is handed on", () => {
    const stream = new Stream(new Owner());
    stream.pause();
    stream.take("1");
    stream.onPiece = () => {
      stream.onPiece = null;
      stream.take("2");
      stream.pause();
      stream.resume();
      stream.take("3");
      stream.receiveEnd(null);
    };
    stream.resume();
    assert.deepEqual([stream.received, stream.events], ["123", ["end"]]);
  });
});

test("both directions lose, double and disorder nothing, whatever comes when", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("send", "take"), size: fc.integer({ min: 0, max: 300 }) }),
    fc.record({ kind: fc.constantFrom("room", "turn"), size: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constantFrom("pause", "resume"), size: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const owner = new Owner();
      const stream = new Stream(owner);
      const texts = { send: "", take: "" };
      let taken = 0;
      let given = 0;
      for (const { kind, size } of steps) {
        if (kind === "send" || kind === "take") {
          if (kind === "take" && taken - owner.released + size > WINDOW) continue;
          const text = Array.from({ length: size }, (_, i) =>
            String.fromCharCode(97 + ((given + i) % 26)),
          ).join("");
          given += size;
          texts[kind] += text;
          if (kind === "take") taken += size;
          stream[kind](text);
        } else if (kind === "room") owner.room += size;
        else if (kind === "turn") {
          if (stream.hasQueue && stream.sendQueued(size)) stream.finishQueue();
        } else stream[kind as "pause" | "resume"]();
        assert.ok(texts.send.startsWith(owner.sent));
        assert.ok(texts.take.startsWith(stream.received));
      }
      owner.room = 1_000_000;
      if (stream.hasQueue) turns(stream, 1000);
      stream.resume();
      assert.deepEqual([owner.sent, stream.received], [texts.send, texts.take]);
      assert.equal(stream.blocked, false);
    }),
  );
});
