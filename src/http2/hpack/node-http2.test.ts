import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { describe, test } from "node:test";
import { Random } from "../../../test/fuzz/random.ts";
import { encodeBlock, type Pair, pairsOf } from "../../../test/kit/hpack.ts";
import { BlockKind, FieldBlock } from "./field-block.ts";
import { DecodeOutcome, HeaderDecoder } from "./header-decoder.ts";
import { HeaderEncoder } from "./header-encoder.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FrameType = { Headers: 1, Settings: 4 } as const;
const ACK = 1;
const END_STREAM_AND_HEADERS = 5;
const HEADER_TABLE_SIZE = 1;

const REQUESTS = 300;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function setting(id: number, value: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(id);
  payload.writeUInt32BE(value, 2);
  return payload;
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The frames that come in, without the preface. */
async function* framesOf(socket: Duplex, skip: number): AsyncGenerator<Frame> {
  let held = Buffer.alloc(0);
  let toSkip = skip;
  for await (const chunk of socket) {
    held = Buffer.concat([held, chunk]);
    if (held.length < toSkip) continue;
    held = held.subarray(toSkip);
    toSkip = 0;
    while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
      const end = 9 + held.readUIntBE(0, 3);
      const stream = held.readUInt32BE(5);
      yield { type: held[3]!, flags: held[4]!, stream, payload: held.subarray(9, end) };
      held = held.subarray(end);
    }
  }
}

/** Heads that have much in common, as those of one client have. */
function heads(seed: number): Pair[][] {
  const random = new Random(seed);
  const characters = "abcdefgh ijkl;,=/?&%0123456789\\~{}";
  const text = (most: number) =>
    Array.from({ length: random.below(most) }, () => random.pick([...characters]))
      .join("")
      .trim();
  const agents = Array.from({ length: 5 }, () => `agent ${text(90)}x`);
  return Array.from({ length: REQUESTS }, (_, i): Pair[] => [
    [":method", random.pick(["GET", "POST", "PURGE"])],
    [":scheme", random.pick(["http", "https"])],
    [":authority", random.pick(["a.example", "b.example:8080"])],
    [":path", `/${i % 7}/${"p".repeat(random.below(90))}`],
    ["user-agent", random.pick(agents)],
    ["accept-encoding", random.pick(["gzip, deflate", "br"])],
    ["x-request-id", `${i}-${random.below(1e9)}`],
    [`x-name-${random.below(60)}`, text(80)],
    ["authorization", `${text(40)}x`],
    ["cookie", `theme=dark; session=${text(40)}x`],
    ["x-large", "z".repeat(random.pick([0, 10, 1900, 5000]))],
  ]);
}

describe("Node's HTTP/2 server reads what we encode", () => {
  for (const tableSize of [0, 200, 4096, 16_384]) {
    test(`with a table of ${tableSize} bytes`, async () => {
      const server = http2.createServer({
        settings: { headerTableSize: tableSize, maxHeaderListSize: 65_535 },
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const ours = connect((server.address() as AddressInfo).port, "127.0.0.1");
      const got: http2.IncomingHttpHeaders[] = [];
      const fields = heads(tableSize);
      const all = Promise.withResolvers<void>();
      server.on("sessionError", all.reject);
      server.on("stream", (stream: http2.ServerHttp2Stream, headers) => {
        // Without the symbol that tells which ones are never to be indexed.
        got.push(Object.fromEntries(Object.entries(headers)));
        assert.deepEqual(Reflect.get(headers, http2.sensitiveHeaders), ["authorization"]);
        stream.on("error", () => {});
        stream.respond({ ":status": 204 }, { endStream: true });
        if (got.length === REQUESTS) all.resolve();
      });
      ours.write(Buffer.concat([Buffer.from(PREFACE), frame(FrameType.Settings, 0, 0, Buffer.alloc(0))]));
      const encoder = new HeaderEncoder(8192);
      let next = 0;
      const send = () => {
        const payload = encodeBlock(encoder, fields[next]!);
        ours.write(frame(FrameType.Headers, END_STREAM_AND_HEADERS, 2 * next++ + 1, payload));
      };
      const reading = (async () => {
        for await (const { type, flags } of framesOf(ours, 0)) {
          if (type === FrameType.Settings && (flags & ACK) === 0) {
            encoder.limitTable(tableSize);
            ours.write(frame(FrameType.Settings, ACK, 0, Buffer.alloc(0)));
            send();
          } else if (type === FrameType.Headers && next < REQUESTS) send();
        }
      })();
      await all.promise;
      assert.deepEqual(
        got,
        fields.map((pairs) => Object.fromEntries(pairs)),
      );
      ours.end();
      await reading;
      server.close();
    });
  }
});

describe("We read what Node's HTTP/2 client encodes", () => {
  for (const tableSize of [0, 200, 4096, 16_384]) {
    test(`with a table of ${tableSize} bytes`, async () => {
      const [ours, theirs] = duplexPair();
      const client = http2.connect("http://a.example", {
        createConnection: () => theirs,
        maxSendHeaderBlockLength: 65_535,
        settings: { maxHeaderListSize: 65_535 },
      });
      client.on("error", () => {});
      ours.write(frame(FrameType.Settings, 0, 0, setting(HEADER_TABLE_SIZE, tableSize)));
      const fields = heads(tableSize + 1);
      const decoder = new HeaderDecoder();
      const block = new FieldBlock();
      const got: Pair[][] = [];
      const request = () => {
        const pairs = fields[got.length]!;
        const stream = client.request(Object.fromEntries(pairs), { endStream: true });
        stream.on("error", () => {});
        stream.resume();
      };
      await once(client, "remoteSettings");
      request();
      for await (const { type, flags, stream, payload } of framesOf(ours, PREFACE.length)) {
        if (type === FrameType.Settings && (flags & ACK) !== 0) decoder.limitTable(tableSize);
        else if (type === FrameType.Settings) ours.write(frame(FrameType.Settings, ACK, 0, Buffer.alloc(0)));
        if (type !== FrameType.Headers) continue;
        // Node sends a priority with its heads only when it is asked to.
        assert.equal(flags & 0x28, 0);
        const outcome = decoder.decode(payload, 0, payload.length, block, BlockKind.Request);
        assert.equal(outcome, DecodeOutcome.Complete, String(block.problem));
        got.push(pairsOf(block));
        if (got.length === REQUESTS) break;
        ours.write(frame(FrameType.Headers, END_STREAM_AND_HEADERS, stream, Buffer.of(0x89)));
        request();
      }
      const sorted = (pairs: readonly Pair[]) => [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(got.map(sorted), fields.map(sorted));
      client.destroy();
      ours.destroy();
    });
  }
});
