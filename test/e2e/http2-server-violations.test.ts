import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { DEFAULT_LOCAL_SETTINGS, SettingId } from "../../src/http2/settings.ts";
import { hex, literals, type Pair } from "../kit/hpack.ts";
import { type FrameConnection, type FrameScript, startFrameServer } from "../kit/http2-frame-server.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { request, startProxy } from "./proxy.ts";

/*
 * What h2spec has for servers, mirrored: a server that breaks the rules of RFC 9113 and RFC 7541 must not do more harm than to its
 * own requests. Two are under way when it does, on streams 3 and 5, after one that was answered on stream 1.
 */

const { EndStream, EndHeaders, Padded, Priority } = FrameFlag;
const peer = { protocol: "h2c" } as const;
const OK: Pair = [":status", "200"];
const DONE = 1;
const FIRST = 3;
const SECOND = 5;
const IDLE = 9;

function setting(id: number, value: number): Buffer {
  return frame(FrameType.Settings, 0, 0, Buffer.concat([Buffer.of(0, id), uint32(value)]));
}

function head(fields: readonly Pair[] | Buffer, flags: number = EndHeaders, id: number = FIRST): Buffer {
  return frame(FrameType.Headers, flags, id, Buffer.isBuffer(fields) ? fields : literals(fields));
}

function data(text: string, flags: number = 0, id: number = FIRST): Buffer {
  return frame(FrameType.Data, flags, id, text);
}

/** For a script that broke a rule of the first stream: answers the second when the first was reset, and the rest. */
async function goOnWithOthers(connection: FrameConnection): Promise<void> {
  await connection.until(() => connection.stream(FIRST).reset !== null);
  await connection.answer(SECOND, "second");
  await connection.answerAll(3);
}

/** Says these frames when there are two requests; then answers whatever else it is asked. */
function breaking(frames: readonly Buffer[], goOn: FrameScript): FrameScript {
  return async (connection, index) => {
    if (index > 0) return connection.answerAll();
    await connection.answer(await connection.request(0), "warm");
    await connection.request(1);
    await connection.request(2);
    for (const bytes of frames) connection.sendRaw(bytes);
    await goOn(connection, index);
  };
}

type Breach = readonly [name: string, code: string, ...frames: Buffer[]];

const ofFrames: readonly Breach[] = [
  ["DATA on stream 0", "PROTOCOL_ERROR", frame(FrameType.Data, 0, 0, "x")],
  ["DATA on a stream that nobody opened", "PROTOCOL_ERROR", data("x", 0, IDLE)],
  ["DATA on a stream of the server's", "PROTOCOL_ERROR", data("x", 0, 2)],
  ["DATA on a stream that is over", "STREAM_CLOSED", data("x", 0, DONE)],
  ["DATA with nothing but padding, and too much of it", "PROTOCOL_ERROR", data("\x05abc", Padded)],
  ["padded DATA without a length of its padding", "FRAME_SIZE_ERROR", data("", Padded)],
  ["DATA over the size", "FRAME_SIZE_ERROR", data("x".repeat(16_385))],
  ["HEADERS on stream 0", "PROTOCOL_ERROR", head([OK], EndHeaders, 0)],
  ["HEADERS on a stream that nobody opened", "PROTOCOL_ERROR", head([OK], EndHeaders, IDLE)],
  ["HEADERS on a stream of the server's", "PROTOCOL_ERROR", head([OK], EndHeaders, 2)],
  ["HEADERS on a stream that is over", "STREAM_CLOSED", head([OK], EndHeaders, DONE)],
  ["HEADERS with too much padding", "PROTOCOL_ERROR", head(Buffer.of(9, 0x88), EndHeaders | Padded)],
  ["HEADERS over the size", "FRAME_SIZE_ERROR", head(Buffer.alloc(16_385, 0x88))],
  [
    "HEADERS too short for a priority",
    "FRAME_SIZE_ERROR",
    head(Buffer.of(1, 2, 3, 4), EndHeaders | Priority),
  ],
  ["HEADERS that depend on themselves", "PROTOCOL_ERROR", head(Buffer.of(0, 0, 0, FIRST, 1, 0x88), 0x24)],
  [
    "CONTINUATION without HEADERS",
    "PROTOCOL_ERROR",
    frame(FrameType.Continuation, EndHeaders, FIRST, "\x88"),
  ],
  [
    "CONTINUATION after the end of a block",
    "PROTOCOL_ERROR",
    head([OK]),
    frame(FrameType.Continuation, EndHeaders, FIRST, "\x88"),
  ],
  [
    "CONTINUATION of another stream",
    "PROTOCOL_ERROR",
    head([OK], 0),
    frame(FrameType.Continuation, EndHeaders, SECOND, "\x88"),
  ],
  ["DATA within a block", "PROTOCOL_ERROR", head([OK], 0), data("x")],
  ["HEADERS of another stream within a block", "PROTOCOL_ERROR", head([OK], 0), head([OK], 4, SECOND)],
  ["PING within a block", "PROTOCOL_ERROR", head([OK], 0), frame(FrameType.Ping, 0, 0, "12345678")],
  ["an unknown frame within a block", "PROTOCOL_ERROR", head([OK], 0), frame(0xf0, 0, FIRST, "x")],
  ["PRIORITY on stream 0", "PROTOCOL_ERROR", frame(FrameType.Priority, 0, 0, "\0\0\0\x01\0")],
  ["RST_STREAM on stream 0", "PROTOCOL_ERROR", frame(FrameType.ResetStream, 0, 0, uint32(8))],
  ["RST_STREAM of an idle stream", "PROTOCOL_ERROR", frame(FrameType.ResetStream, 0, IDLE, uint32(8))],
  ["RST_STREAM of a wrong length", "FRAME_SIZE_ERROR", frame(FrameType.ResetStream, 0, FIRST, "abc")],
  ["SETTINGS on a stream", "PROTOCOL_ERROR", frame(FrameType.Settings, 0, FIRST)],
  ["SETTINGS of a wrong length", "FRAME_SIZE_ERROR", frame(FrameType.Settings, 0, 0, "abc")],
  [
    "an acknowledgement with a payload",
    "FRAME_SIZE_ERROR",
    frame(FrameType.Settings, FrameFlag.Ack, 0, "\0\x04\0\0\0\0"),
  ],
  ["ENABLE_PUSH 1", "PROTOCOL_ERROR", setting(SettingId.EnablePush, 1)],
  ["ENABLE_PUSH 2", "PROTOCOL_ERROR", setting(SettingId.EnablePush, 2)],
  ["an initial window over 2^31-1", "FLOW_CONTROL_ERROR", setting(SettingId.InitialWindowSize, 0x8000_0000)],
  ["a frame size under 16,384", "PROTOCOL_ERROR", setting(SettingId.MaxFrameSize, 16_383)],
  ["a frame size over 2^24-1", "PROTOCOL_ERROR", setting(SettingId.MaxFrameSize, 0x0100_0000)],
  ["ENABLE_CONNECT_PROTOCOL 2", "PROTOCOL_ERROR", setting(SettingId.EnableConnectProtocol, 2)],
  [
    "ENABLE_CONNECT_PROTOCOL that is taken back",
    "PROTOCOL_ERROR",
    setting(SettingId.EnableConnectProtocol, 1),
    setting(SettingId.EnableConnectProtocol, 0),
  ],
  ["NO_RFC7540_PRIORITIES 2", "PROTOCOL_ERROR", setting(SettingId.NoRfc7540Priorities, 2)],
  ["PUSH_PROMISE", "PROTOCOL_ERROR", frame(FrameType.PushPromise, EndHeaders, FIRST, uint32(2))],
  ["PUSH_PROMISE on stream 0", "PROTOCOL_ERROR", frame(FrameType.PushPromise, EndHeaders, 0, uint32(2))],
  ["PING on a stream", "PROTOCOL_ERROR", frame(FrameType.Ping, 0, FIRST, "12345678")],
  ["PING of a wrong length", "FRAME_SIZE_ERROR", frame(FrameType.Ping, 0, 0, "1234567")],
  ["GOAWAY on a stream", "PROTOCOL_ERROR", frame(FrameType.Goaway, 0, FIRST, uint32(0, 0))],
  ["GOAWAY that is too short", "FRAME_SIZE_ERROR", frame(FrameType.Goaway, 0, 0, uint32(0))],
  [
    "GOAWAY that takes more streams than the one before",
    "PROTOCOL_ERROR",
    frame(FrameType.Goaway, 0, 0, uint32(FIRST, 0)),
    frame(FrameType.Goaway, 0, 0, uint32(SECOND, 0)),
  ],
  ["WINDOW_UPDATE of 0 for all", "PROTOCOL_ERROR", frame(FrameType.WindowUpdate, 0, 0, uint32(0))],
  ["WINDOW_UPDATE of an idle stream", "PROTOCOL_ERROR", frame(FrameType.WindowUpdate, 0, IDLE, uint32(1))],
  ["WINDOW_UPDATE of a wrong length", "FRAME_SIZE_ERROR", frame(FrameType.WindowUpdate, 0, 0, "abc")],
  [
    "a window for all that is too large",
    "FLOW_CONTROL_ERROR",
    frame(FrameType.WindowUpdate, 0, 0, uint32(0x7fff_ffff)),
  ],
  [
    "an initial window that makes a stream's too large",
    "FLOW_CONTROL_ERROR",
    frame(FrameType.WindowUpdate, 0, FIRST, uint32(0x7fff_ffff - 65_535)),
    setting(SettingId.InitialWindowSize, 65_536),
  ],
  [
    "PRIORITY_UPDATE, which is for clients",
    "PROTOCOL_ERROR",
    frame(FrameType.PriorityUpdate, 0, 0, uint32(3)),
  ],
];

const ofCompression: readonly Breach[] = [
  ["index 0", "COMPRESSION_ERROR", head(hex("88 80"))],
  ["an index that no table has", "COMPRESSION_ERROR", head(hex("88 ff 00"))],
  ["a name's index that no table has", "COMPRESSION_ERROR", head(hex("88 7f 00 01 61"))],
  ["an integer without an end", "COMPRESSION_ERROR", head(hex("88 ff ff ff ff ff ff ff"))],
  ["a string longer than its block", "COMPRESSION_ERROR", head(hex("88 00 01 61 05 62"))],
  ["a table larger than we allow", "COMPRESSION_ERROR", head(hex("3f e2 1f 88"))],
  ["a table's size behind a field", "COMPRESSION_ERROR", head(hex("88 20"))],
  ["Huffman padding that is no prefix of EOS", "COMPRESSION_ERROR", head(hex("88 00 81 18 01 61"))],
  ["Huffman padding of eight bits", "COMPRESSION_ERROR", head(hex("88 00 82 1f ff 01 61"))],
  ["EOS in a Huffman string", "COMPRESSION_ERROR", head(hex("88 00 84 ff ff ff ff 01 61"))],
];

describe("a server that breaks a rule of its connection loses it", () => {
  for (const [name, code, ...frames] of [...ofFrames, ...ofCompression]) {
    test(name, async () => {
      const goOn = async (connection: FrameConnection): Promise<void> => {
        await connection.until(() => connection.notes.some((note) => note.startsWith("goaway")));
      };
      await using origin = await startFrameServer(breaking(frames, goOn));
      await using proxy = await startProxy({ origin, peer });
      const [first, second] = await Promise.all([proxy.connect(), proxy.connect()]);
      await first.exchange(request("GET /warm"));
      void first.write(request("GET /first"));
      await second.write(request("GET /second"));
      await Promise.all([first.readSome(), second.readSome()]);
      await origin.connections[0]!.until(() =>
        origin.connections[0]!.notes.some((note) => /goaway/.test(note)),
      );
      const goaway = origin.connections[0]!.notes.find((note) => note.startsWith("goaway"));
      assert.ok(goaway?.startsWith(`goaway 0 ${code} `), `${goaway}`);
      for (const { error } of proxy.reported) {
        assert.equal(error.code, "UPSTREAM_BAD_RESPONSE");
        assert.match(String(error.cause), new RegExp(code));
      }
      assert.ok(proxy.reported.length > 0);
      const other = await proxy.connect();
      assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
      assert.equal(origin.connections.length, 2);
    });
  }
});

describe("a server that begins otherwise than with SETTINGS isn't one of HTTP/2", () => {
  const beginnings: readonly (readonly [string, Buffer])[] = [
    ["PING", frame(FrameType.Ping, 0, 0, "12345678")],
    ["an acknowledgement", frame(FrameType.Settings, FrameFlag.Ack, 0)],
    ["a response", head([OK], EndHeaders | EndStream, 1)],
    ["GOAWAY", frame(FrameType.Goaway, 0, 0, uint32(0, 0))],
    ["the preface of a client", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
    ["a response of HTTP/1", Buffer.from("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")],
  ];
  for (const [name, bytes] of beginnings) {
    test(name, async () => {
      await using origin = await startFrameServer(async (connection) => {
        connection.mutesSettings = true;
        await connection.request(0);
        connection.sendRaw(bytes);
      }, null);
      await using proxy = await startProxy({ origin, peer });
      const clients = await Promise.all([proxy.connect(), proxy.connect(), proxy.connect()]);
      const answers = await Promise.all(clients.map((client) => client.exchange(request("GET /"))));
      for (const { status } of answers) assert.equal(status, 502);
    });
  }
});

const ofStream: readonly Breach[] = [
  ["DATA before the head", "PROTOCOL_ERROR", data("x")],
  ["an end before the head", "PROTOCOL_ERROR", data("", EndStream)],
  ["WINDOW_UPDATE of 0", "PROTOCOL_ERROR", frame(FrameType.WindowUpdate, 0, FIRST, uint32(0))],
  [
    "a window that is too large",
    "FLOW_CONTROL_ERROR",
    frame(FrameType.WindowUpdate, 0, FIRST, uint32(0x7fff_ffff)),
  ],
  ["PRIORITY of a wrong length", "FRAME_SIZE_ERROR", frame(FrameType.Priority, 0, FIRST, "abcd")],
  ["interim responses without an end", "PROTOCOL_ERROR", ...Array(33).fill(head([[":status", "103"]]))],
  [
    "interim responses of more than a head may have",
    "PROTOCOL_ERROR",
    ...Array(6).fill(
      head([
        [":status", "103"],
        ["link", "a".repeat(12_000)],
      ]),
    ),
  ],
];

/** Fields that come to far more than the bytes that say them: one that is remembered, and its index again and again. */
function bomb(first: Buffer, times: number): Buffer {
  const value = Buffer.alloc(3900, "x");
  return Buffer.concat([first, hex("40 01 61 7f bd 1d"), value, Buffer.alloc(times, 0xbe)]);
}

const heads: Readonly<Record<string, readonly Pair[]>> = {
  "no status": [["a", "b"]],
  "an empty head": [],
  "two statuses": [OK, OK],
  "a status of two digits": [[":status", "20"]],
  "a status of four digits": [[":status", "2000"]],
  "a status under 100": [[":status", "099"]],
  "a status over 999": [[":status", "1000"]],
  "a status with a sign": [[":status", "+20"]],
  "a status with a reason": [[":status", "200 OK"]],
  "an empty status": [[":status", ""]],
  "a 101": [[":status", "101"]],
  "a pseudo-header field of requests": [OK, [":path", "/"]],
  "a pseudo-header field that nobody knows": [OK, [":reason", "x"]],
  "a pseudo-header field behind others": [["a", "b"], OK],
  "a name in upper case": [OK, ["X-Upper", "b"]],
  "a name with a space": [OK, ["a b", "c"]],
  "a name with a colon": [OK, ["a:b", "c"]],
  "a name with a control character": [OK, ["a\x01", "c"]],
  "a name beyond ASCII": [OK, ["\xe4", "c"]],
  "an empty name": [OK, ["", "c"]],
  "CR in a value": [OK, ["a", "b\rc"]],
  "LF in a value": [OK, ["a", "b\nc"]],
  "NUL in a value": [OK, ["a", "b\0c"]],
  "a value that begins with a space": [OK, ["a", " b"]],
  "a value that ends with a tab": [OK, ["a", "b\t"]],
  connection: [OK, ["connection", "close"]],
  "keep-alive": [OK, ["keep-alive", "timeout=5"]],
  "proxy-connection": [OK, ["proxy-connection", "close"]],
  "transfer-encoding": [OK, ["transfer-encoding", "chunked"]],
  upgrade: [OK, ["upgrade", "websocket"]],
  "a content-length that is no number": [OK, ["content-length", "ten"]],
  "a content-length with a sign": [OK, ["content-length", "+5"]],
  "a content-length over all bounds": [OK, ["content-length", "99999999999999999999"]],
  "two content-lengths": [OK, ["content-length", "5"], ["content-length", "6"]],
  "too many fields": [OK, ...Array.from({ length: 200 }, (_, i): Pair => [`x-${i}`, "1"])],
};

describe("a server that breaks a rule of a stream loses that one", () => {
  const breaches: readonly Breach[] = [
    ...ofStream,
    ...Object.entries(heads).map(([name, fields]): Breach => [name, "PROTOCOL_ERROR", head(fields)]),
    [
      "a length without a body",
      "PROTOCOL_ERROR",
      head([OK, ["content-length", "5"]], EndHeaders | EndStream),
    ],
    ["an interim response that ends", "PROTOCOL_ERROR", head([[":status", "103"]], EndHeaders | EndStream)],
  ];
  for (const [name, code, ...frames] of breaches) {
    test(name, async () => {
      await using origin = await startFrameServer(breaking(frames, goOnWithOthers));
      await using proxy = await startProxy({ origin, peer });
      const [first, second] = await Promise.all([proxy.connect(), proxy.connect()]);
      await first.exchange(request("GET /warm"));
      void first.write(request("GET /first"));
      const answer = first.readResponse();
      await origin.connections[0]!.request(1);
      assert.equal((await second.exchange(request("GET /second"))).body.toString(), "second");
      assert.equal((await answer).status, 502);
      assert.equal(origin.connections[0]!.stream(FIRST).reset, code);
      assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_BAD_RESPONSE");
      assert.equal((await second.exchange(request("GET /"))).body.toString(), "ok");
      assert.equal(origin.connections.length, 1);
    });
  }
});

describe("a server that breaks a rule in the middle of a response has it cut", () => {
  const breaches: readonly Breach[] = [
    ["more than it declares", "PROTOCOL_ERROR", head([OK, ["content-length", "2"]]), data("x"), data("yz")],
    ["less than it declares", "PROTOCOL_ERROR", head([OK, ["content-length", "9"]]), data("x", EndStream)],
    [
      "less than it declares, with trailers",
      "PROTOCOL_ERROR",
      head([OK, ["content-length", "9"]]),
      data("x"),
      head([["a", "b"]], EndHeaders | EndStream),
    ],
    ["a second head", "PROTOCOL_ERROR", head([OK]), data("x"), head([["a", "b"]])],
    ["a second final head", "PROTOCOL_ERROR", head([OK]), head([OK])],
    ["an interim response behind the final one", "PROTOCOL_ERROR", head([OK]), head([[":status", "103"]])],
    [
      "a pseudo-header field in trailers",
      "PROTOCOL_ERROR",
      head([OK]),
      data("x"),
      head([OK], EndHeaders | EndStream),
    ],
    [
      "a connection's field in trailers",
      "PROTOCOL_ERROR",
      head([OK]),
      data("x"),
      head([["connection", "close"]], EndHeaders | EndStream),
    ],
    [
      "trailers without an end",
      "PROTOCOL_ERROR",
      head([OK]),
      data("x"),
      ...Array.from({ length: 2 }, () => head([["a", "b"]])),
    ],
    [
      "trailers larger than we take",
      "PROTOCOL_ERROR",
      head([OK]),
      data("x"),
      head(bomb(Buffer.alloc(0), 40), EndHeaders | EndStream),
    ],
  ];
  for (const [name, code, ...frames] of breaches) {
    test(name, async () => {
      await using origin = await startFrameServer(breaking(frames, goOnWithOthers));
      await using proxy = await startProxy({ origin, peer, retries: { maxTries: 3, onReset: true } });
      const [first, second] = await Promise.all([proxy.connect(), proxy.connect()]);
      await first.exchange(request("GET /warm"));
      void first.write(request("GET /first"));
      await origin.connections[0]!.request(1);
      assert.equal((await second.exchange(request("GET /second"))).body.toString(), "second");
      const bytes = await first.readToEnd();
      assert.doesNotMatch(bytes.toString("latin1"), /\r\n0\r\n/);
      assert.equal(origin.connections[0]!.stream(FIRST).reset, code);
      assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_BAD_RESPONSE");
      // The client has its head: nothing is tried again.
      assert.equal(proxy.count("retries"), 0);
      assert.equal(origin.connections.length, 1);
    });
  }
});

describe("what a server may do, however odd it is", () => {
  const oddities: Readonly<Record<string, readonly Buffer[]>> = {
    "unknown frames": [frame(0xf0, 0xff, 0, "x"), frame(0xf1, 0, FIRST, "y"), frame(0xf2, 0, IDLE, "z")],
    "unknown settings": [setting(0xf0, 1)],
    "unknown flags": [frame(FrameType.Ping, 0xf0, 0, "12345678")],
    "the reserved bit": [frame(FrameType.WindowUpdate, 0, 0, uint32(0x8000_0001))],
    "priorities, of idle streams too": [
      frame(FrameType.Priority, 0, FIRST, "\0\0\0\x01\0"),
      frame(FrameType.Priority, 0, IDLE, "\0\0\0\x01\0"),
    ],
    "an acknowledgement that nobody asked for": [frame(FrameType.Ping, FrameFlag.Ack, 0, "12345678")],
    "window updates and resets of streams that are over": [
      frame(FrameType.WindowUpdate, 0, DONE, uint32(1)),
      frame(FrameType.ResetStream, 0, DONE, uint32(8)),
    ],
    "a head in many pieces": [
      head(literals([OK]).subarray(0, 3), 0),
      ...Array.from(literals([OK]).subarray(3), (byte) =>
        frame(FrameType.Continuation, 0, FIRST, Buffer.of(byte)),
      ).slice(0, 14),
      frame(FrameType.Continuation, EndHeaders, FIRST, literals([OK]).subarray(17)),
    ],
    "padding and a priority": [
      head(Buffer.concat([Buffer.of(3, 0, 0, 0, 1, 9), literals([OK]), Buffer.alloc(3)]), 0x2c),
    ],
    "interim responses": [head([[":status", "100"]]), head([[":status", "103"]])],
    "a settings frame in the middle": [setting(SettingId.MaxConcurrentStreams, 7)],
  };
  for (const [name, frames] of Object.entries(oddities)) {
    test(name, async () => {
      const goOn = async (connection: FrameConnection): Promise<void> => {
        const hasHead = frames.some((bytes) => bytes[3] === FrameType.Headers && !name.startsWith("interim"));
        if (!hasHead) connection.sendRaw(head([OK]));
        connection.sendRaw(data("first", EndStream));
        await connection.answer(SECOND, "second");
      };
      await using origin = await startFrameServer(breaking(frames, goOn), DEFAULT_LOCAL_SETTINGS);
      await using proxy = await startProxy({ origin, peer });
      const [first, second] = await Promise.all([proxy.connect(), proxy.connect()]);
      await first.exchange(request("GET /warm"));
      void first.write(request("GET /first"));
      await origin.connections[0]!.request(1);
      assert.equal((await second.exchange(request("GET /second"))).body.toString(), "second");
      assert.equal((await first.readResponse()).body.toString(), "first");
      assert.deepEqual(proxy.reported, []);
    });
  }
});
