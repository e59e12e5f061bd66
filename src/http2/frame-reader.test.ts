import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ACK,
  assertReads,
  CLIENT_START,
  frame,
  RecordingFrameSink,
  readPieces,
  SERVER_START,
  uint32,
} from "../../test/kit/http2-frames.ts";
import { DEFAULT_FRAME_LIMITS, FrameReader } from "./frame-reader.ts";
import { FrameFlag, FrameType } from "./frames.ts";
import { CLIENT_PREFACE } from "./preface.ts";

const { Data, Headers, Priority, ResetStream, Settings, PushPromise, Ping, Goaway } = FrameType;
const { WindowUpdate, Continuation, AltSvc, Origin, PriorityUpdate } = FrameType;
const { EndStream, EndHeaders, Padded } = FrameFlag;
const WITH_PRIORITY = FrameFlag.Priority;

/** After what a client says first. */
function assertServerReads(frames: readonly Buffer[], expected: readonly string[]): void {
  assertReads("server", Buffer.concat([CLIENT_START, ...frames]), ["settings end", ...expected]);
}

function assertClientReads(frames: readonly Buffer[], expected: readonly string[]): void {
  assertReads("client", Buffer.concat([SERVER_START, ...frames]), ["settings end", ...expected]);
}

/** Nothing that follows an error of the connection is told. */
function assertEnds(bad: Buffer, code: string): void {
  const after = frame(Ping, 0, 0, "12345678");
  assertServerReads([bad, after], [`connection error ${code}`]);
}

describe("the preface", () => {
  test("comes before everything that a client says", () => {
    assertReads("server", CLIENT_START, ["settings end"]);
    assertReads("server", CLIENT_PREFACE, []);
  });

  test("is refused at its first wrong byte", () => {
    for (let at = 0; at < CLIENT_PREFACE.length; at++) {
      const bytes = Buffer.from(CLIENT_START);
      bytes[at]! ^= 0x20;
      assert.deepEqual(readPieces("server", [bytes.subarray(0, at + 1)]), [
        "connection error PROTOCOL_ERROR",
      ]);
    }
    assertReads("server", Buffer.from("GET / HTTP/1.1\r\n\r\n"), ["connection error PROTOCOL_ERROR"]);
  });

  test("of a server is its SETTINGS", () => {
    assertReads("client", SERVER_START, ["settings end"]);
    assertReads("client", CLIENT_PREFACE, ["connection error FRAME_SIZE_ERROR"]);
  });

  test("is followed by SETTINGS and no other frame, no acknowledgement either", () => {
    for (const first of [
      frame(Ping, 0, 0, "12345678"),
      frame(Settings, ACK, 0),
      frame(Headers, EndHeaders, 1, "x"),
      frame(WindowUpdate, 0, 0, uint32(1)),
      frame(0x77, 0, 0),
    ]) {
      assertReads("client", first, ["connection error PROTOCOL_ERROR"]);
      assertReads("server", Buffer.concat([CLIENT_PREFACE, first]), ["connection error PROTOCOL_ERROR"]);
    }
  });
});

describe("DATA", () => {
  test("is told with its length, its bytes and its end", () => {
    assertServerReads(
      [
        frame(Data, 0, 1, "hello"),
        frame(Data, EndStream, 1, "x"),
        frame(Data, 0, 3),
        frame(Data, EndStream, 3),
      ],
      [
        "data 1 length 5 padding 0",
        '  "hello"',
        "data 1 length 1 padding 0",
        '  "x" end',
        "data 3 length 0 padding 0",
        '  ""',
        "data 3 length 0 padding 0",
        '  "" end',
      ],
    );
  });

  test("is handed on as it comes", () => {
    const bytes = Buffer.concat([SERVER_START, frame(Data, EndStream, 1, "hello")]);
    assertReads("client", bytes.subarray(0, -2), ["settings end", "data 1 length 5 padding 0", '  "hel']);
  });

  test("loses its padding", () => {
    assertServerReads(
      [
        frame(Data, Padded, 1, "\x03hello\0\0\0"),
        frame(Data, Padded | EndStream, 1, "\x02\0\0"),
        frame(Data, Padded, 1, "\x00x"),
        frame(Data, Padded, 1, "\x00"),
        frame(Data, 0, 1, "\x01x"),
      ],
      [
        "data 1 length 9 padding 4",
        '  "hello"',
        "data 1 length 3 padding 3",
        '  "" end',
        "data 1 length 2 padding 1",
        '  "x"',
        "data 1 length 1 padding 1",
        '  ""',
        "data 1 length 2 padding 0",
        '  "\x01x"',
      ],
    );
  });

  test("may not be padding beyond its end", () => {
    assertEnds(frame(Data, Padded, 1, "\x01"), "PROTOCOL_ERROR");
    assertEnds(frame(Data, Padded, 1, "\x06hello"), "PROTOCOL_ERROR");
    assertEnds(frame(Data, Padded, 1, "\xffhello"), "PROTOCOL_ERROR");
    assertEnds(frame(Data, Padded, 1), "FRAME_SIZE_ERROR");
  });

  test("belongs to a stream", () => {
    assertEnds(frame(Data, 0, 0, "x"), "PROTOCOL_ERROR");
  });
});

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

describe("SETTINGS", () => {
  test("are told one by one, then their end", () => {
    assertReads("client", frame(Settings, 0, 0, "\0\x03\0\0\0\x64\0\x04\xff\xff\xff\xff\xab\xcd\0\0\0\0"), [
      "setting 3 100",
      "setting 4 4294967295",
      "setting 43981 0",
      "settings end",
    ]);
  });

  test("are acknowledged without a payload", () => {
    assertServerReads([frame(Settings, ACK, 0)], ["settings ack"]);
    assertEnds(frame(Settings, ACK, 0, "\0\x03\0\0\0\x64"), "FRAME_SIZE_ERROR");
  });

  test("have whole entries and no stream", () => {
    assertEnds(frame(Settings, 0, 0, "\0\x03\0\0\0"), "FRAME_SIZE_ERROR");
    assertEnds(frame(Settings, 0, 0, "\0\x03\0\0\0\x64\0"), "FRAME_SIZE_ERROR");
    assertEnds(frame(Settings, 0, 1), "PROTOCOL_ERROR");
    assertEnds(frame(Settings, ACK, 1), "PROTOCOL_ERROR");
  });
});

describe("PING, GOAWAY, RST_STREAM and WINDOW_UPDATE", () => {
  test("are told with what they say", () => {
    assertServerReads(
      [
        frame(Ping, 0, 0, "12345678"),
        frame(Ping, ACK, 0, "abcdefgh"),
        frame(ResetStream, 0, 3, uint32(8)),
        frame(ResetStream, 0, 3, uint32(0xffffffff)),
        frame(WindowUpdate, 0, 0, uint32(1)),
        frame(WindowUpdate, 0, 5, uint32(0x7fffffff)),
        frame(Goaway, 0, 0, Buffer.concat([uint32(7, 11), Buffer.from("why")])),
        frame(Goaway, 0, 0, uint32(0x7fffffff, 0)),
      ],
      [
        "ping 12345678",
        "ping ack abcdefgh",
        "reset 3 CANCEL",
        "reset 3 0xffffffff",
        "window 0 +1",
        "window 5 +2147483647",
        'goaway 7 ENHANCE_YOUR_CALM "why"',
        'goaway 2147483647 NO_ERROR ""',
      ],
    );
  });

  test("ignore reserved bits", () => {
    assertServerReads(
      [
        frame(WindowUpdate, 0xff, 0x80000005, uint32(0x80000001)),
        frame(Goaway, 0xff, 0x80000000, uint32(0x80000007, 1)),
      ],
      ["window 5 +1", 'goaway 7 PROTOCOL_ERROR ""'],
    );
  });

  test("have the lengths that they must have", () => {
    for (const length of [0, 7, 9]) assertEnds(frame(Ping, 0, 0, Buffer.alloc(length)), "FRAME_SIZE_ERROR");
    for (const length of [0, 3, 5]) {
      assertEnds(frame(ResetStream, 0, 1, Buffer.alloc(length, 1)), "FRAME_SIZE_ERROR");
      assertEnds(frame(WindowUpdate, 0, 1, Buffer.alloc(length, 1)), "FRAME_SIZE_ERROR");
      assertEnds(frame(WindowUpdate, 0, 0, Buffer.alloc(length, 1)), "FRAME_SIZE_ERROR");
    }
    for (const length of [0, 7]) assertEnds(frame(Goaway, 0, 0, Buffer.alloc(length)), "FRAME_SIZE_ERROR");
  });

  test("are on the streams that they must be on", () => {
    assertEnds(frame(Ping, 0, 1, "12345678"), "PROTOCOL_ERROR");
    assertEnds(frame(Goaway, 0, 1, uint32(0, 0)), "PROTOCOL_ERROR");
    assertEnds(frame(ResetStream, 0, 0, uint32(0)), "PROTOCOL_ERROR");
  });

  test("an increment of nothing is an error of the stream, or of the connection", () => {
    assertServerReads(
      [frame(WindowUpdate, 0, 7, uint32(0)), frame(Ping, 0, 0, "12345678")],
      ["stream error 7 PROTOCOL_ERROR", "ping 12345678"],
    );
    assertEnds(frame(WindowUpdate, 0, 0, uint32(0)), "PROTOCOL_ERROR");
    assertEnds(frame(WindowUpdate, 0, 0, uint32(0x80000000)), "PROTOCOL_ERROR");
  });

  test("a long explanation is cut and read past", () => {
    const long = Buffer.concat([uint32(1, 2), Buffer.alloc(500, "why")]);
    const kept = Buffer.alloc(56, "why").toString();
    assertServerReads(
      [frame(Goaway, 0, 0, long), frame(Ping, 0, 0, "12345678")],
      [`goaway 1 INTERNAL_ERROR "${kept}"`, "ping 12345678"],
    );
  });
});

describe("frames that mean nothing to us", () => {
  test("are read past", () => {
    assertServerReads(
      [
        frame(AltSvc, 0, 0, "alt"),
        frame(Origin, 0, 0, "origin"),
        frame(0xff, 0xff, 9, Buffer.alloc(300)),
        frame(0x0b, 0, 0),
        frame(Priority, 0, 9, "\0\0\0\x03\x10"),
        frame(Ping, 0, 0, "12345678"),
      ],
      [
        "ignored 10 on 0, 3",
        "ignored 12 on 0, 6",
        "ignored 255 on 9, 300",
        "ignored 11 on 0, 0",
        "ignored 2 on 9, 5",
        "ping 12345678",
      ],
    );
  });

  test("PRIORITY has its rules all the same", () => {
    assertEnds(frame(Priority, 0, 0, "\0\0\0\x03\x10"), "PROTOCOL_ERROR");
    assertEnds(frame(Priority, 0, 3, "\0\0\0\x03\x10"), "PROTOCOL_ERROR");
    for (const length of [0, 4, 6]) {
      assertServerReads(
        [frame(Priority, 0, 5, Buffer.alloc(length)), frame(Ping, 0, 0, "12345678")],
        ["stream error 5 FRAME_SIZE_ERROR", "ping 12345678"],
      );
    }
  });

  test("PUSH_PROMISE is one that nobody may send us", () => {
    const push = frame(PushPromise, EndHeaders, 1, Buffer.concat([uint32(2), Buffer.from("x")]));
    assertEnds(push, "PROTOCOL_ERROR");
    assertClientReads([push], ["connection error PROTOCOL_ERROR"]);
  });
});

describe("PRIORITY_UPDATE", () => {
  const update = frame(PriorityUpdate, 0, 0, Buffer.concat([uint32(5), Buffer.from("u=1, i")]));

  test("is told to servers", () => {
    assertServerReads(
      [update, frame(PriorityUpdate, 0, 0, uint32(7))],
      ['priority update 5 "u=1, i"', 'priority update 7 ""'],
    );
  });

  test("isn't sent by them", () => {
    assertClientReads([update], ["connection error PROTOCOL_ERROR"]);
  });

  test("is for a stream, on none", () => {
    assertEnds(frame(PriorityUpdate, 0, 1, uint32(5)), "PROTOCOL_ERROR");
    assertEnds(frame(PriorityUpdate, 0, 0, uint32(0)), "PROTOCOL_ERROR");
    assertEnds(frame(PriorityUpdate, 0, 0, "\0\0\0"), "FRAME_SIZE_ERROR");
  });

  test("is ignored when it is longer than any that makes sense", () => {
    assertServerReads([frame(PriorityUpdate, 0, 0, Buffer.alloc(65, 1))], ["ignored 16 on 0, 65"]);
  });
});

describe("the size of frames", () => {
  test("is what we announced, whatever the frame", () => {
    const limits = { ...DEFAULT_FRAME_LIMITS, frameSize: 20_000 };
    const sizes = [Data, Headers, Settings, 0x77];
    for (const type of sizes) {
      const bytes = Buffer.concat([SERVER_START, frame(type, EndHeaders, 1, Buffer.alloc(20_001))]);
      const told = readPieces("client", [bytes], limits);
      assert.deepEqual(told, ["settings end", "connection error FRAME_SIZE_ERROR"]);
    }
    const allowed = Buffer.concat([SERVER_START, frame(Data, 0, 1, Buffer.alloc(20_000, "x"))]);
    const told = readPieces("client", [allowed], limits);
    assert.deepEqual(told, ["settings end", "data 1 length 20000 padding 0", `  "${"x".repeat(20_000)}"`]);
  });
});

describe("a reader that is stopped", () => {
  class StoppingSink extends RecordingFrameSink {
    stop: () => void = () => {};
    override onDataStart(streamId: number, length: number, padding: number): void {
      super.onDataStart(streamId, length, padding);
      if (streamId === 1) this.stop();
    }
    override onData(bytes: Buffer, start: number, end: number): void {
      super.onData(bytes, start, end);
      this.stop();
    }
    override onSetting(id: number, value: number): void {
      super.onSetting(id, value);
      if (id === 9) this.stop();
    }
    override onPing(bytes: Buffer, start: number): void {
      super.onPing(bytes, start);
      this.stop();
    }
  }

  function readStopping(...frames: Buffer[]): string[] {
    const sink = new StoppingSink();
    const reader = new FrameReader("client", sink);
    sink.stop = () => reader.stop();
    const bytes = Buffer.concat([...frames, frame(Ping, 0, 0, "notheard")]);
    reader.read(bytes, 0, bytes.length);
    assert.equal(reader.stopped, true);
    reader.read(bytes, 0, bytes.length);
    return sink.lines;
  }

  test("tells nothing else, wherever it is stopped", () => {
    assert.deepEqual(readStopping(SERVER_START, frame(Ping, 0, 0, "12345678")), [
      "settings end",
      "ping 12345678",
    ]);
    assert.deepEqual(readStopping(SERVER_START, frame(Data, EndStream, 1)), [
      "settings end",
      "data 1 length 0 padding 0",
    ]);
    assert.deepEqual(readStopping(SERVER_START, frame(Data, EndStream, 3, "x")), [
      "settings end",
      "data 3 length 1 padding 0",
    ]);
    assert.deepEqual(readStopping(frame(Settings, 0, 0, "\0\x09\0\0\0\0")), ["setting 9 0"]);
  });
});
