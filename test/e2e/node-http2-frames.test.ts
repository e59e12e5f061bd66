import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { Http2Talk } from "../kit/http2-talk.ts";

/** Header blocks by hand: `:status: 200`, and `:method: POST` or `GET`, `:scheme: http`, `:path: /`. */
const STATUS_200 = Buffer.from([0x88]);
const POST = Buffer.from([0x83, 0x86, 0x84]);
const GET = Buffer.from([0x82, 0x86, 0x84]);

/** A field as a literal that goes into no table. */
function literal(name: string, value: string): Buffer {
  const length = Buffer.from([value.length]);
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), length, Buffer.from(value)]);
}

const BODY = Buffer.alloc(1_500_000, "0123456789abcdefghijklmnopqrstuvwxyz!");

function digest(...pieces: Buffer[]): string {
  return createHash("sha256").update(Buffer.concat(pieces)).digest("hex");
}

/** The numbers of streams that a client of Node's is told to be on, and what we heard of them. */
interface Meeting {
  readonly client: ClientHttp2Session;
  readonly talk: Http2Talk;
}

describe("what node:http2 says as a client", () => {
  let server: Server;
  const meetings: Meeting[] = [];

  before(async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
  });

  after(() => {
    for (const { client, talk } of meetings) {
      client.destroy();
      talk.close();
    }
    server.close();
  });

  async function meet(options: object = {}): Promise<Meeting> {
    const { port } = server.address() as AddressInfo;
    const client = connectHttp2(`http://127.0.0.1:${port}`, options);
    client.on("error", () => {});
    const [socket] = await once(server, "connection");
    const meeting = { client, talk: new Http2Talk("server", socket) };
    meetings.push(meeting);
    return meeting;
  }

  test("is read: a large body, padded, and our answer to it is taken", async () => {
    const { client, talk } = await meet({ paddingStrategy: constants.PADDING_STRATEGY_MAX });
    const request = client.request({ ":method": "POST", "x-field": "y" });
    request.end(BODY);
    await talk.until(() => talk.streams.get(1)?.ended === true);
    const { body, blocks } = talk.stream(1);
    assert.equal(digest(...body), digest(BODY));
    assert.equal(blocks.length, 1);
    talk.sendHeaders(1, STATUS_200, false);
    const sent = talk.sendBody(1, BODY);
    const [head] = await once(request, "response");
    assert.equal(head[":status"], 200);
    assert.equal(digest(await buffer(request)), digest(BODY));
    await sent;
    assert.deepEqual(talk.notes, ["settings ack"]);
  });

  test("is read: header blocks in CONTINUATION, and trailers", async () => {
    const { client, talk } = await meet();
    await talk.until(() => talk.notes.length > 0);
    const value = "~".repeat(12_000);
    const request = client.request(
      { "x-a": value, "x-b": value, ":method": "POST" },
      { waitForTrailers: true },
    );
    request.on("wantTrailers", () => request.sendTrailers({ "x-trailer": "z" }));
    request.end("body");
    await talk.until(() => talk.streams.get(1)?.ended === true);
    const { blocks, body } = talk.stream(1);
    assert.equal(Buffer.concat(body).toString(), "body");
    assert.equal(blocks.length, 2);
    assert.ok(blocks[0]!.length > 24_000, "more than one frame takes");
    talk.sendHeaders(1, Buffer.concat([STATUS_200, literal("x-answer", "42")]), true, 3);
    const [head] = await once(request, "response");
    assert.equal(head["x-answer"], "42");
    assert.deepEqual(talk.notes, ["settings ack"]);
    request.close();
  });

  test("is read: PING, SETTINGS, RST_STREAM, GOAWAY", async () => {
    const { client, talk } = await meet();
    const pong = Promise.withResolvers<Buffer>();
    await talk.until(() => talk.notes.length > 0);
    client.ping(Buffer.from("12345678"), (_error, _duration, payload) => pong.resolve(payload));
    assert.equal((await pong.promise).toString(), "12345678");
    client.settings({ initialWindowSize: 12_345, maxFrameSize: 20_000 });
    await talk.until(() => talk.settings.initialWindowSize === 12_345);
    assert.equal(talk.settings.maxFrameSize, 20_000);
    assert.equal(talk.settings.enablePush, true);
    const request = client.request({ ":path": "/" });
    request.on("error", () => {});
    await talk.until(() => talk.streams.has(1));
    request.close(constants.NGHTTP2_CANCEL);
    await talk.until(() => talk.stream(1).reset === "CANCEL");
    client.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from("why"));
    await talk.until(() => talk.notes.includes("goaway 0 ENHANCE_YOUR_CALM why"));
  });

  test("is answered with PING, RST_STREAM and GOAWAY that it takes", async () => {
    const { client, talk } = await meet();
    const request = client.request({ ":path": "/" });
    const failed = once(request, "error");
    await talk.until(() => talk.streams.has(1) && talk.notes.length > 0);
    talk.sendPing("abcdefgh");
    await talk.until(() => talk.notes.includes("ping ack abcdefgh"));
    talk.sendReset(1, Http2Error.RefusedStream);
    const [error] = await failed;
    assert.match(error.message, /NGHTTP2_REFUSED_STREAM/);
    const gone = once(client, "goaway");
    talk.sendGoaway(1, Http2Error.EnhanceYourCalm, "too much");
    const [code, last, why] = await gone;
    assert.deepEqual([code, last, why.toString()], [Http2Error.EnhanceYourCalm, 1, "too much"]);
  });
});

describe("what node:http2 says as a server", () => {
  let server: Http2Server;
  let talk: Http2Talk;

  before(async () => {
    server = createHttp2Server({
      paddingStrategy: constants.PADDING_STRATEGY_MAX,
      // Megabytes; all of the bodies lie in it at once.
      maxSessionMemory: 100,
    });
    server.on("stream", async (stream: ServerHttp2Stream, head: IncomingHttpHeaders) => {
      stream.on("error", () => {});
      const body = await buffer(stream);
      stream.respond({ ":status": 200, "x-echo": String(head["x-field"]) }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-length": String(body.length) }));
      stream.end(body.length > 0 ? body : BODY);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    talk = new Http2Talk("client", socket);
    await talk.until(() => talk.notes.includes("settings ack"));
  });

  after(() => {
    talk.close();
    server.close();
  });

  test("is read, and what we ask in many small frames is understood", async () => {
    const block = Buffer.concat([POST, literal(":authority", "x"), literal("x-field", "y".repeat(100))]);
    // No more than eight CONTINUATION are taken.
    talk.sendHeaders(1, block, false, 20);
    await talk.sendBody(1, BODY);
    await talk.until(() => talk.stream(1).ended);
    const { body, blocks, receives } = talk.stream(1);
    assert.equal(digest(...body), digest(BODY));
    assert.equal(blocks.length, 2, "head and trailers");
    assert.ok(receives.size >= 65_535 && receives.size <= 4 * 1024 * 1024);
    assert.deepEqual(talk.notes, ["settings ack"]);
  });

  test("is read on many streams at once", async () => {
    const block = Buffer.concat([GET, literal(":authority", "x")]);
    const ids = Array.from({ length: 20 }, (_, i) => 3 + i * 2);
    for (const id of ids) talk.sendHeaders(id, block, true);
    await talk.until(() => ids.every((id) => talk.stream(id).ended));
    for (const id of ids) assert.equal(digest(...talk.stream(id).body), digest(BODY));
    assert.deepEqual(talk.notes, ["settings ack"]);
  });
});
