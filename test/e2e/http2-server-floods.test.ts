import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { hex, literals } from "../kit/hpack.ts";
import { connectFrames } from "../kit/http2-frame-client.ts";
import { type FrameConnection, type FrameScript, startFrameServer } from "../kit/http2-frame-server.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { request, standstill, startProxy } from "./proxy.ts";

const { Ack, EndHeaders, Padded } = FrameFlag;
const peer = { protocol: "h2c" } as const;

function many(times: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array<Buffer>(times).fill(bytes));
}

function head(status: string, flags: number, id: number): Buffer {
  return frame(FrameType.Headers, flags, id, literals([[":status", status]]));
}

/** Says these bytes on its first connection when there is a request, on stream 3; answers all on others. */
function flooding(bytes: Buffer): FrameScript {
  return async (connection, index) => {
    if (index > 0) {
      for (let i = 0; ; i++) await connection.answer(await connection.request(i), "ok");
    }
    await connection.answer(await connection.request(0), "warm");
    await connection.request(1);
    connection.sendRaw(bytes);
  };
}

function goawayOf(connection: FrameConnection): string | undefined {
  return connection.notes.find((note) => note.startsWith("goaway"));
}

describe("a server that does too much of what is allowed loses its connection", () => {
  const floods: Readonly<Record<string, Buffer>> = {
    SETTINGS: many(300, frame(FrameType.Settings, 0, 0)),
    "acknowledgements of SETTINGS": many(300, frame(FrameType.Settings, Ack, 0)),
    PING: many(4000, frame(FrameType.Ping, 0, 0, "12345678")),
    "answers to PING": many(4000, frame(FrameType.Ping, Ack, 0, "12345678")),
    "empty DATA": Buffer.concat([head("200", EndHeaders, 3), many(1000, frame(FrameType.Data, 0, 3))]),
    "DATA of padding": Buffer.concat([
      head("200", EndHeaders, 3),
      many(4000, frame(FrameType.Data, Padded, 3, `\xff${"\0".repeat(255)}`)),
    ]),
    "DATA of single bytes": Buffer.concat([
      head("200", EndHeaders, 3),
      many(80_000, frame(FrameType.Data, 0, 3, "x")),
    ]),
    "window updates": many(6000, frame(FrameType.WindowUpdate, 0, 0, uint32(1))),
    "window updates of streams that are over": many(6000, frame(FrameType.WindowUpdate, 0, 1, uint32(1))),
    "resets of streams that are over": many(9000, frame(FrameType.ResetStream, 0, 1, uint32(8))),
    priorities: many(9000, frame(FrameType.Priority, 0, 3, "\0\0\0\x01\0")),
    "unknown frames": many(9000, frame(0xf0, 0, 0, "x")),
    CONTINUATION: Buffer.concat([head("200", 0, 3), many(40, frame(FrameType.Continuation, 0, 3))]),
    "header blocks without an end": Buffer.concat([
      head("200", 0, 3),
      many(8, frame(FrameType.Continuation, 0, 3, Buffer.alloc(16_000, 0x88))),
    ]),
    "heads that nobody waits for": Buffer.concat([
      frame(FrameType.Headers, EndHeaders, 3, hex("00 01 41 01 61")),
      many(9000, head("200", EndHeaders, 3)),
    ]),
  };
  for (const [name, bytes] of Object.entries(floods)) {
    test(name, async () => {
      await using origin = await startFrameServer(flooding(bytes));
      await using proxy = await startProxy({ origin, peer });
      const client = await proxy.connect();
      await client.exchange(request("GET /warm"));
      void client.write(request("GET /"));
      await until("it is noticed", () => proxy.reported.length > 0);
      const [first] = origin.connections;
      await first!.until(() => goawayOf(first!) !== undefined);
      assert.match(goawayOf(first!)!, /^goaway 0 ENHANCE_YOUR_CALM /);
      // That one's request is over before it is too much.
      const isLost = name !== "heads that nobody waits for";
      assert.equal(proxy.reported[0]?.error.code, isLost ? "UPSTREAM_FLOOD" : "UPSTREAM_BAD_RESPONSE");
      assert.equal(proxy.count("upstreamFloods"), isLost ? 1 : 0);
      await until("the connection is closed", () => proxy.connector.open === 0);
      const other = await proxy.connect();
      assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
    });
  }

  test("updates for every few kilobytes are none", async () => {
    const size = 30_000_000;
    await using origin = await startFrameServer(async (connection) => {
      const id = await connection.request(0);
      connection.mutesWindows = true;
      let [open, seen] = [65_535, 0];
      const { body } = connection.stream(id);
      while (open < size) {
        await connection.until(() => body.length > seen);
        for (; seen < body.length; seen++) {
          for (let left = body[seen]!.length; left > 0; left -= 4096, open += 4096) {
            connection.sendRaw(frame(FrameType.WindowUpdate, 0, id, uint32(4096)));
            connection.sendRaw(frame(FrameType.WindowUpdate, 0, 0, uint32(4096)));
          }
        }
      }
      await connection.until(() => connection.stream(id).ended);
      await connection.answer(id, "all");
    });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    void client.write(request("POST /", `Content-Length: ${size}`));
    void client.write(Buffer.alloc(size));
    assert.equal((await client.readResponse()).body.toString(), "all");
  });
});

describe("resets", () => {
  test("of every request end these and nothing else, however many there are", async () => {
    await using origin = await startFrameServer(async (connection) => {
      for (let i = 0; ; i++) connection.sendReset(await connection.request(i), Http2Error.InternalError);
    });
    await using proxy = await startProxy({ origin, peer });
    const clients = await Promise.all(Array.from({ length: 20 }, () => proxy.connect()));
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(clients.map((client) => client.exchange(request("GET /"))));
      for (const { status } of answers) assert.equal(status, 502);
    }
    assert.equal(origin.connections.length, 1);
    assert.equal(proxy.count("upstreamErrors"), 400);
  });

  test("after a whole answer take nothing of it away, also when nobody has read it yet", async () => {
    const size = 200_000;
    await using origin = await startFrameServer(async (connection) => {
      const id = await connection.request(0);
      connection.respond(id, 200, [], false);
      await connection.sendBody(id, Buffer.alloc(size, "x"));
      connection.sendReset(id, Http2Error.NoError);
      await connection.answer(await connection.request(1), "ok");
    });
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await using proxy = await startProxy({
      phases: {
        upstreamPeer: () => new HttpPeer(`127.0.0.1:${origin.port}`, peer),
        responseFilter: (session) => (session.request.target === "/early" ? gate : undefined),
      },
    });
    const client = await proxy.connect();
    void client.write(request("POST /early", "Content-Length: 9000000"));
    const first = (): FrameConnection => origin.connections[0]!;
    await until("there is a connection", () => origin.connections.length > 0);
    await first().request(0);
    const other = await proxy.connect();
    assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
    goOn();
    const answer = await client.readResponse();
    assert.equal(answer.body.length, size);
    assert.deepEqual(proxy.reported, []);
    client.destroy();
  });

  test("instead of an answer's end cut it", async () => {
    await using origin = await startFrameServer(async (connection) => {
      const id = await connection.request(0);
      connection.respond(id, 200, [], false);
      await connection.sendBody(id, Buffer.from("half"), false);
      connection.sendReset(id, Http2Error.NoError);
    });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    const bytes = await client.readToEnd();
    assert.doesNotMatch(bytes.toString(), /\r\n0\r\n/);
    assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_RESET");
  });
});

for (const [pieces, loses] of [
  [60, false],
  [500, true],
] as const) {
  test(`a server that sends ${pieces * 16} KiB on after a reset ${loses ? "loses" : "keeps"} its connection`, async () => {
    const piece = frame(FrameType.Data, 0, 1, Buffer.alloc(16_384));
    await using origin = await startFrameServer(async (connection, index) => {
      if (index > 0) return connection.answer(await connection.request(0), "ok");
      const id = await connection.request(0);
      connection.respond(id, 200, [], false);
      await connection.until(() => connection.stream(id).reset !== null);
      for (let i = 0; i < pieces; i++) connection.sendRaw(piece);
      if (loses) await connection.until(() => goawayOf(connection) !== undefined);
      else await connection.answer(await connection.request(1), "ok");
    });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    void client.write(request("GET /"));
    await client.readHead();
    client.reset();
    const [first] = origin.connections;
    if (loses) {
      await first!.until(() => goawayOf(first!) !== undefined);
      assert.match(goawayOf(first!)!, /^goaway 0 FLOW_CONTROL_ERROR /);
    }
    const other = await proxy.connect();
    assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
    assert.equal(origin.connections.length, loses ? 2 : 1);
  });
}

test("what many clients don't take is no more than their windows, and goes with them", async () => {
  const clients = 50;
  let sent = 0;
  const piece = Buffer.alloc(16_384);
  await using origin = await startFrameServer(async (connection) => {
    const send = async (id: number): Promise<void> => {
      connection.respond(id, 200, [], false);
      for (;;) {
        await connection.sendBody(id, piece, false);
        sent += piece.length;
      }
    };
    for (let i = 0; i < clients; i++) send(await connection.request(i)).catch(() => undefined);
    await connection.answer(await connection.request(clients), "ok");
  });
  await using proxy = await startProxy({ origin, peer });
  await using client = await connectFrames(proxy.port);
  client.mutesWindows = true;
  for (let i = 0; i < clients; i++) client.request(1 + 2 * i, true);
  await standstill(() => sent);
  // Each has its first window here, and none a larger one: nobody would be faster with it.
  assert.ok(sent >= clients * 200_000, `${sent} bytes`);
  assert.ok(sent <= clients * 256 * 1024 + 65_535 + 1024 * 1024, `${sent} bytes`);
  const other = await proxy.connect();
  assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
  client.close();
  await until("all are given up", () => proxy.count("requestsActive") === 0);
  assert.equal(origin.connections.length, 1);
});
