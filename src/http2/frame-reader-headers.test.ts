import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  assertEnds,
  assertReads,
  assertServerReads,
  frame,
  readPieces,
  SERVER_START,
} from "../../test/kit/http2-frames.ts";
import { DEFAULT_FRAME_LIMITS } from "./frame-reader.ts";
import { FrameFlag, FrameType } from "./frames.ts";

const { Data, Headers, Priority, Settings, Ping, Continuation } = FrameType;
const { EndStream, EndHeaders, Padded } = FrameFlag;
const WITH_PRIORITY = FrameFlag.Priority;

describe("HEADERS", () => {
  test("are told as one block", () => {
    assertServerReads(
      [frame(Headers, EndHeaders, 1, "block"), frame(Headers, EndHeaders | EndStream, 3, "b")],
      ['headers 1 "block"', 'headers 3 "b" end'],
    );
  });

  test("are gathered from CONTINUATION; the end of the stream is what HEADERS said", () => {
    assertServerReads(
      [
        frame(Headers, EndStream, 1, "one"),
        frame(Continuation, 0, 1, "two"),
        frame(Continuation, EndHeaders, 1, "three"),
        frame(Headers, 0, 3),
        frame(Continuation, EndHeaders | EndStream, 3, "four"),
        frame(Headers, 0, 5, "five"),
        frame(Continuation, EndHeaders, 5),
        frame(Headers, EndHeaders, 7),
      ],
      ['headers 1 "onetwothree" end', 'headers 3 "four"', 'headers 5 "five"', 'headers 7 ""'],
    );
  });

  test("lose padding and priority, alone and together", () => {
    const priority = "\0\0\0\x09\x10";
    assertServerReads(
      [
        frame(Headers, EndHeaders | Padded, 1, "\x02ab\0\0"),
        frame(Headers, EndHeaders | WITH_PRIORITY, 3, `${priority}cd`),
        frame(Headers, EndHeaders | Padded | WITH_PRIORITY, 5, `\x03${priority}ef\0\0\0`),
        frame(Headers, Padded | WITH_PRIORITY, 7, `\x01${priority}g\0`),
        frame(Continuation, EndHeaders | Padded, 7, "\x01h"),
        frame(Headers, EndHeaders | Padded, 11, "\x02\0\0"),
        frame(Data, Padded, 11, "\x02z\0\0"),
        frame(Headers, EndHeaders, 13, "not padded"),
      ],
      [
        'headers 1 "ab"',
        'headers 3 "cd"',
        'headers 5 "ef"',
        'headers 7 "g\x01h"',
        'headers 11 ""',
        "data 11 length 4 padding 3",
        '  "z"',
        'headers 13 "not padded"',
      ],
    );
  });

  test("have room for what their flags say", () => {
    assertEnds(frame(Headers, EndHeaders | Padded, 1), "FRAME_SIZE_ERROR");
    assertEnds(frame(Headers, EndHeaders | WITH_PRIORITY, 1, "\0\0\0\0"), "FRAME_SIZE_ERROR");
    assertEnds(frame(Headers, EndHeaders | WITH_PRIORITY | Padded, 1, "\0\0\0\0\0"), "FRAME_SIZE_ERROR");
    assertEnds(frame(Headers, EndHeaders | Padded, 1, "\x03ab"), "PROTOCOL_ERROR");
    assertEnds(frame(Headers, EndHeaders | Padded | WITH_PRIORITY, 1, "\x02\0\0\0\x03\0a"), "PROTOCOL_ERROR");
  });

  test("belong to a stream, which doesn't depend on itself", () => {
    assertEnds(frame(Headers, EndHeaders, 0, "x"), "PROTOCOL_ERROR");
    assertEnds(frame(Headers, EndHeaders | WITH_PRIORITY, 5, "\0\0\0\x05\0x"), "PROTOCOL_ERROR");
    assertEnds(frame(Headers, EndHeaders | WITH_PRIORITY, 5, "\x80\0\0\x05\0x"), "PROTOCOL_ERROR");
    assertEnds(frame(Headers, EndHeaders | WITH_PRIORITY | Padded, 5, "\0\0\0\0\x05\0x"), "PROTOCOL_ERROR");
  });

  test("are followed by nothing but their CONTINUATION", () => {
    for (const other of [
      frame(Data, 0, 1, "x"),
      frame(Headers, EndHeaders, 1, "x"),
      frame(Ping, 0, 0, "12345678"),
      frame(Settings, 0, 0),
      frame(Continuation, EndHeaders, 3, "x"),
      frame(Continuation, EndHeaders, 0, "x"),
      frame(0x77, 0, 1, "x"),
      frame(Priority, 0, 1, "\0\0\0\x03\0"),
    ]) {
      assertServerReads([frame(Headers, 0, 1, "h"), other], ["connection error PROTOCOL_ERROR"]);
      const later = [frame(Headers, 0, 1, "h"), frame(Continuation, 0, 1, "c"), other];
      assertServerReads(later, ["connection error PROTOCOL_ERROR"]);
    }
  });

  test("come before CONTINUATION", () => {
    assertEnds(frame(Continuation, EndHeaders, 1, "x"), "PROTOCOL_ERROR");
    assertServerReads(
      [frame(Headers, EndHeaders, 1, "h"), frame(Continuation, EndHeaders, 1, "x")],
      ['headers 1 "h"', "connection error PROTOCOL_ERROR"],
    );
  });
});

describe("header blocks have limits", () => {
  const limits = { ...DEFAULT_FRAME_LIMITS, blockBytes: 40, continuations: 3 };
  const block = "0123456789".repeat(4);

  function assertBlock(frames: readonly Buffer[], expected: string): void {
    assertReads("client", Buffer.concat([SERVER_START, ...frames]), ["settings end", expected], limits);
  }

  test("of bytes, before any of the frame that is too much is kept", () => {
    assertBlock([frame(Headers, EndHeaders, 1, block)], `headers 1 "${block}"`);
    assertBlock(
      [frame(Headers, 0, 1, block.slice(0, 30)), frame(Continuation, EndHeaders, 1, block.slice(30))],
      `headers 1 "${block}"`,
    );
    const calm = "connection error ENHANCE_YOUR_CALM";
    assertBlock([frame(Headers, EndHeaders, 1, `${block}x`)], calm);
    assertBlock([frame(Headers, EndHeaders, 1, `${block}x`).subarray(0, 9)], calm);
    assertBlock([frame(Headers, 0, 1, block), frame(Continuation, EndHeaders, 1, "x")], calm);
  });

  test("of frames, also empty ones", () => {
    const more = frame(Continuation, 0, 1);
    const last = frame(Continuation, EndHeaders, 1, "x");
    assertBlock([frame(Headers, 0, 1), more, more, last], 'headers 1 "x"');
    assertBlock([frame(Headers, 0, 1), more, more, more, last], "connection error ENHANCE_YOUR_CALM");
  });

  test("and room for all that is within them", () => {
    const long = Array.from({ length: 5000 }, (_, i) => String.fromCharCode(97 + ((i * 7) % 26))).join("");
    const frames = [
      frame(Headers, 0, 1, long.slice(0, 700)),
      frame(Continuation, 0, 1, long.slice(700, 2000)),
      frame(Continuation, EndHeaders, 1, long.slice(2000)),
    ];
    const bytes = Buffer.concat([SERVER_START, ...frames]);
    for (const size of [1, 7, 600, 1500, bytes.length]) {
      const count = Math.ceil(bytes.length / size);
      const pieces = Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
      assert.deepEqual(readPieces("client", pieces), ["settings end", `headers 1 "${long}"`]);
    }
  });

  test("that begin anew with each block", () => {
    const one = [frame(Headers, 0, 1), frame(Continuation, 0, 1, block), frame(Continuation, EndHeaders, 1)];
    const told = `headers 1 "${block}"`;
    assertReads(
      "client",
      Buffer.concat([SERVER_START, ...one, ...one, ...one]),
      ["settings end", told, told, told],
      limits,
    );
  });
});
