import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { until } from "../../test/kit/deadline.ts";
import type { MaybeLater, PluginConnection, Transformed } from "./plugin.ts";
import { TO_CLIENT, TO_UPSTREAM } from "./plugin.ts";
import { type PipeOwner, PluginPipe } from "./plugin-pipe.ts";

/** Writes down what comes through, as soon as it does: what is borrowed is gone later. */
class Recorder implements PipeOwner {
  text = "";
  /** How often it was held. */
  holds = 0;
  isHeld = false;
  readonly ends: (string | null)[] = [];

  onPiped(bytes: Buffer, start: number, end: number): void {
    this.text += bytes.toString("latin1", start, end);
  }

  onPipedEnd(): void {
    this.ends.push("end");
  }

  onPipeBusy(): void {
    this.holds++;
    this.isHeld = true;
  }

  onPipeIdle(): void {
    this.isHeld = false;
  }

  onPipeFailed(error: Error | null): void {
    this.ends.push(error === null ? null : error.message);
  }
}

/** Puts brackets around what comes at once, and an end mark behind all; answers in one memory, now or later as it is told. */
class Brackets implements PluginConnection {
  readonly #name: string;
  readonly #isLater: () => boolean;
  readonly #memory = Buffer.alloc(1024 * 1024);
  inCall = false;

  constructor(name: string, isLater: () => boolean = () => false) {
    this.#name = name;
    this.#isLater = isLater;
  }

  transform(_direction: 0 | 1, bytes: Buffer, start: number, end: number): MaybeLater<Transformed> {
    assert.equal(this.inCall, false, "two calls at once");
    const text =
      start === end
        ? `${this.#name}!`
        : bytes.toString("latin1", start, end).replaceAll("x", `${this.#name}x`);
    if (!this.#isLater()) return this.#memory.subarray(0, this.#memory.write(text, "latin1"));
    this.inCall = true;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.inCall = false;
        resolve(Buffer.from(text, "latin1"));
      });
    });
  }

  close(): void {}
}

describe("bytes on their way through plugins", () => {
  test("are the same whether these answer at once or later, however they come", async () => {
    const pieces = fc.array(fc.string({ unit: fc.constantFrom("x", "y"), minLength: 1, maxLength: 5 }), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(pieces, fc.array(fc.boolean(), { maxLength: 40 }), async (texts, answers) => {
        let asked = 0;
        const isLater = (): boolean => answers[asked++] ?? false;
        const owner = new Recorder();
        const pipe = new PluginPipe(
          [new Brackets("a", isLater), new Brackets("b", isLater)],
          TO_UPSTREAM,
          owner,
        );
        for (const text of texts) pipe.push(Buffer.from(`-${text}`), 1, text.length + 1);
        pipe.end();
        await until("all came through", () => owner.ends.length > 0);
        assert.equal(owner.text, `${texts.join("").replaceAll("x", "abx")}a!b!`);
        assert.deepEqual(owner.ends, ["end"]);
        assert.equal(pipe.isBusy, false);
      }),
      { numRuns: 50 },
    );
  });

  test("are given in pieces that plugins can take, and so is what one makes for the next", () => {
    const sizes: number[][] = [[], []];
    const stages = sizes.map((seen, index): PluginConnection => {
      return {
        transform(_direction, bytes, start, end) {
          seen.push(end - start);
          return index === 0 ? Buffer.alloc((end - start) * 3) : bytes.subarray(start, end);
        },
        close() {},
      };
    });
    const owner = new Recorder();
    new PluginPipe(stages, TO_CLIENT, owner).push(Buffer.alloc(100_000), 0, 100_000);
    assert.deepEqual(sizes[0], [65_536, 34_464]);
    assert.equal(Math.max(...sizes[1]!), 65_536);
    assert.equal(owner.text.length, 300_000);
  });

  test("come through one that is named twice, however much it makes of them", () => {
    const memory = Buffer.alloc(1024 * 1024);
    /** As plugins do: all that it makes, of whatever connection, lies in the same memory. */
    const twice: PluginConnection = {
      transform(_direction, bytes, start, end) {
        const doubled = [...bytes.subarray(start, end)].flatMap((byte) => [byte, byte]);
        memory.set(doubled);
        return memory.subarray(0, doubled.length);
      },
      close() {},
    };
    const owner = new Recorder();
    const text = "abcdefgh".repeat(5_000);
    new PluginPipe([twice, twice], TO_UPSTREAM, owner).push(Buffer.from(text), 0, text.length);
    assert.equal(owner.text, text.replace(/./g, "$&$&$&$&"));
  });

  test("wait while one takes its time, and the sender is told once, not before anything waits", async () => {
    const owner = new Recorder();
    const pipe = new PluginPipe([new Brackets("a", () => true)], TO_UPSTREAM, owner);
    const bytes = Buffer.from("one");
    pipe.push(bytes, 0, 3);
    assert.deepEqual([owner.isHeld, pipe.isBusy], [false, true]);
    for (const next of ["two", "ten"]) {
      bytes.write(next);
      pipe.push(bytes, 0, 3);
    }
    bytes.fill(0);
    assert.deepEqual([owner.isHeld, owner.holds], [true, 1]);
    await until("it goes on", () => !owner.isHeld);
    assert.deepEqual([owner.text, owner.holds], ["onetwoten", 1]);
  });

  test("end with what a plugin throws, rejects with or asks for, and nothing follows", async () => {
    const failures: readonly [() => MaybeLater<Transformed>, string | null][] = [
      [() => null, null],
      [() => Promise.resolve(null), null],
      [
        () => {
          throw new Error("at once");
        },
        "at once",
      ],
      [() => Promise.reject(new Error("later")), "later"],
    ];
    for (const [transform, expected] of failures) {
      const owner = new Recorder();
      const pipe = new PluginPipe([{ transform, close() {} }], TO_UPSTREAM, owner);
      pipe.push(Buffer.from("a"), 0, 1);
      pipe.push(Buffer.from("b"), 0, 1);
      pipe.end();
      await until("it is told", () => owner.ends.length > 0);
      assert.deepEqual([owner.ends, owner.text], [[expected], ""]);
    }
  });

  test("are dropped when nobody wants them any more", async () => {
    const owner = new Recorder();
    const pipe = new PluginPipe([new Brackets("a", () => true)], TO_UPSTREAM, owner);
    pipe.push(Buffer.from("x"), 0, 1);
    pipe.stop();
    pipe.end();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([owner.text, owner.ends], ["", []]);
  });
});
