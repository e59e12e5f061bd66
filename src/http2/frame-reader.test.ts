import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ACK,
  assertEnds,
  assertReads,
  assertServerReads,
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
const { WindowUpdate, AltSvc, Origin, PriorityUpdate } = FrameType;
const { EndStream, EndHeaders, Padded } = FrameFlag;

function assertClientReads(frames: readonly Buffer[], expected: readonly string[]): void {
  assertReads("client", Buffer.concat([SERVER_START, ...frames]), ["settings end", ...expected]);
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
