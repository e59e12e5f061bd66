import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Plugin, PluginError } from "./plugin.ts";
import { ANSWERS, encodeFrame, Frame, type FrameLimits, FrameReader, QUESTIONS } from "./plugin-frames.ts";
import { PluginHost } from "./plugin-host.ts";

type Seen = [kind: number, connection: number, payload: string];

/** Pushes bytes in pieces that end at `cuts`, and returns what was found. */
function read(limits: FrameLimits, bytes: Buffer, cuts: readonly number[] = []): Seen[] {
  const seen: Seen[] = [];
  const reader = new FrameReader(limits, (kind, connection, payload) => {
    seen.push([kind, connection, payload.toString("latin1")]);
  });
  const places = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  let start = 0;
  for (const end of places) {
    reader.push(bytes.subarray(start, end));
    start = end;
  }
  return seen;
}

const frames = fc.array(
  fc.tuple(
    fc.constantFrom(Frame.bytes, Frame.head, Frame.failed),
    fc.nat(2 ** 32 - 1),
    fc.uint8Array({ maxLength: 40 }),
  ),
  { maxLength: 8 },
);

describe("frames between a thread and the process of a plugin", () => {
  test("are found wherever the bytes are cut, and no end of them is taken for a whole one", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(500)), fc.nat(500), (sent, cuts, missing) => {
        const bytes = Buffer.concat(
          sent.map(([kind, connection, payload]) => encodeFrame(kind, connection, payload)),
        );
        const expected = sent.map(([kind, number, payload]) => [
          kind,
          number,
          Buffer.from(payload).toString("latin1"),
        ]);
        assert.deepEqual(read(ANSWERS, bytes, cuts), expected);
        const part = bytes.subarray(0, Math.max(0, bytes.length - missing));
        const found = read(ANSWERS, part, cuts);
        assert.deepEqual(found, expected.slice(0, found.length));
        assert.ok(missing === 0 || found.length < Math.max(1, sent.length));
      }),
    );
  });

  test("of a kind that doesn't belong there, or too long, are none", () => {
    const long = Buffer.alloc(9);
    long.writeUInt32LE(0xffff_ffff);
    for (const kind of [Frame.bytes, Frame.head, Frame.failed, Frame.begun, Frame.closed, Frame.status]) {
      long[4] = kind;
      assert.throws(() => read(ANSWERS, long), /came with 4294967295 bytes; \d+ are the most/);
      assert.throws(() => read(QUESTIONS, encodeFrame(kind, 1)), /which doesn't belong here/);
    }
    assert.throws(() => read(ANSWERS, encodeFrame(Frame.open, 1)), /a frame came of kind 2, which/);
    assert.throws(() => read(ANSWERS, encodeFrame(Frame.closed, 1, Buffer.from("a"))), /with 1 bytes; 0 are/);
  });

  test("of any bytes there are as many as fit, or an error that says why not", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200)), (bytes, cuts) => {
        try {
          for (const [kind, , payload] of read(ANSWERS, Buffer.from(bytes), cuts))
            assert.ok(payload.length <= ANSWERS.get(kind)!);
        } catch (error) {
          assert.ok(error instanceof PluginError);
        }
      }),
    );
  });
});

describe("the process of a plugin", () => {
  const plugin: Plugin = {
    name: "test",
    transforms: true,
    filtersRequests: true,
    openConnection: (address) => {
      if (address === "bad") throw new PluginError("not for you");
      return {
        transform: (direction, bytes) =>
          bytes.length === 0
            ? null
            : Buffer.from(`${address}${direction}${bytes}${"-".repeat(bytes[0]! * 1000)}`),
        close: () => undefined,
      };
    },
    filterRequest: (head) => (head === "" ? null : head === "no" ? 451 : `${head}!`),
    close: () => undefined,
  };

  function answersTo(
    ...asked: readonly (readonly [kind: number, connection: number, payload?: string])[]
  ): Seen[] {
    const sent: Buffer[] = [];
    const host = new PluginHost(plugin, (frame) => void sent.push(Buffer.from(frame)));
    for (const [kind, connection, payload = ""] of asked)
      host.take(kind, connection, Buffer.from(payload, "latin1"));
    host.close();
    const [begun, ...rest] = read(ANSWERS, Buffer.concat(sent));
    assert.deepEqual(begun, [Frame.begun, 0, '{"name":"test","transforms":true,"filtersRequests":true}']);
    return rest;
  }

  test("answers in order, each for its connection", () => {
    const answers = answersTo(
      ...([
        [Frame.open, 1, "a"],
        [Frame.open, 7, "bad"],
      ] as const),
      ...([
        [Frame.toUpstream, 1, "\x01x"],
        [Frame.toClient, 1, "z"],
        [Frame.toClient, 1],
      ] as const),
      ...([
        [Frame.toUpstream, 7, "x"],
        [Frame.toUpstream, 2, "x"],
      ] as const),
      ...([
        [Frame.close, 1],
        [Frame.close, 7],
        [Frame.close, 2],
        [Frame.toUpstream, 1, "x"],
      ] as const),
      ...([
        [Frame.filter, 0, "\xe4"],
        [Frame.filter, 0],
        [Frame.filter, 0, "no"],
      ] as const),
    );
    assert.deepEqual(
      answers.map(([kind, number, payload]) => [
        kind,
        number,
        payload.length > 50 ? payload.length : payload,
      ]),
      [
        [Frame.bytes, 1, 1004],
        [Frame.bytes, 1, 122_003],
        [Frame.closed, 1, ""],
        [Frame.failed, 7, "not for you"],
        [Frame.failed, 2, "there is no such connection"],
        [Frame.failed, 1, "there is no such connection"],
        [Frame.head, 0, "\xe4!"],
        [Frame.pass, 0, ""],
        [Frame.status, 0, "\xc3\x01"],
      ],
    );
  });

  test("can't be asked what it doesn't know", () => {
    assert.throws(() => answersTo([Frame.begun, 0]), /nobody may ask for 16 here/);
  });
});
