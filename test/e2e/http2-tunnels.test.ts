import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Stream, constants } from "node:http2";
import { describe, test } from "node:test";
import { Counter } from "../../src/base/counters.ts";
import { webSocketAccept } from "../../src/http/websocket.ts";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { until } from "../kit/deadline.ts";
import { Http2Client, readAnswer } from "../kit/http2-client.ts";
import { connectFrames } from "../kit/http2-frame-client.ts";
import { frame } from "../kit/http2-frames.ts";
import { PatternVerifier, patternBytes } from "../kit/pattern.ts";
import type { RawConnection } from "../kit/raw-origin.ts";
import { readPattern, startProxy, writePattern } from "./proxy.ts";

const MB = 1024 * 1024;
const AGREE =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Told: 1\r\n";
const WEBSOCKET = {
  ":method": "CONNECT",
  ":protocol": "websocket",
  ":scheme": "http",
  ":path": "/chat",
  "sec-websocket-version": "13",
};

/** Opens a tunnel; resolves with its stream and the head of its answer. */
async function openTunnel(client: Http2Client, headers: Record<string, string>): Promise<ClientHttp2Stream> {
  if (!client.session.remoteSettings.maxConcurrentStreams) await once(client.session, "remoteSettings");
  return client.open(headers);
}

async function readPatternFrom(stream: ClientHttp2Stream, length: number, seed: number): Promise<void> {
  const verifier = new PatternVerifier(seed);
  let read = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    verifier.write(piece);
    read += piece.length;
    if (read >= length) break;
  }
  assert.equal(read, length);
}

/** A server that agrees to a WebSocket and goes on with its connection. */
function agreeing(goOn: (connection: RawConnection) => Promise<void>) {
  return async (connection: RawConnection): Promise<void> => {
    const { method, target, headers } = await connection.readRequest();
    assert.deepEqual([method, target], ["GET", "/chat"]);
    const fields = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
    assert.equal(fields.get("upgrade"), "websocket");
    assert.equal(fields.get("connection"), "Upgrade");
    assert.equal(fields.get("sec-websocket-version"), "13");
    const key = fields.get("sec-websocket-key") ?? "";
    assert.equal(Buffer.from(key, "base64").length, 16);
    void connection.write(`${AGREE}Sec-WebSocket-Accept: ${webSocketAccept(key)}\r\n\r\n`);
    await goOn(connection);
  };
}

describe("a WebSocket over HTTP/2 to an HTTP/1 server", () => {
  test("is an upgrade there, and bytes both ways", async () => {
    await using proxy = await startProxy({
      origin: agreeing(async (connection) => {
        await Promise.all([readPattern(connection, MB, 1), writePattern(connection, MB, 2)]);
        await connection.readToEnd();
        connection.end("bye");
      }),
    });
    await using client = new Http2Client(proxy.port);
    const stream = await openTunnel(client, WEBSOCKET);
    const [headers] = await once(stream, "response");
    assert.deepEqual([headers[":status"], headers["x-told"]], [200, "1"]);
    assert.equal(headers["sec-websocket-accept"], undefined);
    assert.equal(headers.upgrade, undefined);
    const answer = readAnswer(stream);
    stream.end(patternBytes(MB, 0, 1));
    const { body, code } = await answer;
    assert.deepEqual([body.length, code], [MB + 3, 0]);
    assert.ok(body.subarray(0, MB).equals(patternBytes(MB, 0, 2)));
    assert.equal(proxy.counters.get(Counter.tunnels), 1);
  });

  test("may be refused by the server", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        connection.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
      },
    });
    await using client = new Http2Client(proxy.port);
    const stream = await openTunnel(client, WEBSOCKET);
    const answer = readAnswer(stream);
    await once(stream, "response");
    stream.end();
    const { status, body } = await answer;
    assert.deepEqual([status, body.toString()], [403, "no"]);
  });

  test("has no length: a server would take the next request on its connection for the body", async () => {
    const heard: string[] = [];
    await using proxy = await startProxy({
      origin: async (connection) => {
        for (;;) {
          const { method, target } = await connection.readRequest();
          heard.push(`${method} ${target}`);
          await connection.write("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
        }
      },
    });
    await using client = new Http2Client(proxy.port);
    const refused = readAnswer(await openTunnel(client, { ...WEBSOCKET, "content-length": "5" }));
    assert.equal((await refused).status, 400);
    const empty = await openTunnel(client, { ...WEBSOCKET, "content-length": "0" });
    empty.end();
    assert.equal((await readAnswer(empty)).status, 404);
    assert.deepEqual(heard, ["GET /chat"]);
  });

  test("isn't agreed to by an answer to another key, or to none", async () => {
    for (const line of ["", `Sec-WebSocket-Accept: ${webSocketAccept("another")}\r\n`]) {
      await using proxy = await startProxy({
        origin: async (connection) => {
          await connection.readRequest();
          await connection.write(`${AGREE}${line}\r\n`);
          await connection.closed;
        },
      });
      await using client = new Http2Client(proxy.port);
      const stream = await openTunnel(client, WEBSOCKET);
      const answer = readAnswer(stream);
      stream.end();
      assert.equal((await answer).status, 502);
      assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_BAD_RESPONSE");
    }
  });

  test("isn't agreed to by another good answer, which would mean just that to the client", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await connection.readRequest();
        connection.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      },
    });
    await using client = new Http2Client(proxy.port);
    const stream = await openTunnel(client, WEBSOCKET);
    const answer = readAnswer(stream);
    stream.end();
    assert.equal((await answer).status, 502);
    assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_BAD_RESPONSE");
  });

  test("ends with either side's reset", async () => {
    for (const who of ["client", "server"]) {
      await using proxy = await startProxy({
        origin: agreeing(async (connection) => {
          if (who === "client") return void (await connection.closed);
          await connection.readExactly(1);
          connection.socket.resetAndDestroy();
        }),
      });
      await using client = new Http2Client(proxy.port);
      const stream = await openTunnel(client, WEBSOCKET);
      const answer = readAnswer(stream);
      await once(stream, "response");
      if (who === "client") stream.close(constants.NGHTTP2_CANCEL);
      else stream.write("x");
      const { code } = await answer;
      assert.notEqual(code, 0);
      await until("the tunnel is gone", () => proxy.counters.get(Counter.tunnelsActive) === 0);
    }
  });
});

test("a server that says no last word is left by a client that has said its own, and everything before", async () => {
  let heard = "";
  await using proxy = await startProxy({
    origin: agreeing(async (connection) => {
      heard = (await connection.readToEnd()).toString();
      await connection.closed;
    }),
  });
  await using client = await connectFrames(proxy.port);
  client.request(1, false, Object.entries({ ":authority": "a", ...WEBSOCKET }));
  assert.equal(await client.statusOf(1), 200);
  client.sendRaw(frame(FrameType.Data, FrameFlag.EndStream, 1, "last"));
  client.sendReset(1, Http2Error.NoError);
  await until("the tunnel is gone", () => proxy.counters.get(Counter.tunnelsActive) === 0);
  assert.equal(heard, "last");
});

describe("CONNECT over HTTP/2", () => {
  test("joins the client and the peer", async () => {
    await using proxy = await startProxy({
      origin: async (connection) => {
        await Promise.all([readPattern(connection, MB, 1), writePattern(connection, MB, 2)]);
        connection.end();
      },
      allowConnect: true,
    });
    await using client = new Http2Client(proxy.port);
    const stream = await openTunnel(client, { ":method": "CONNECT", ":authority": "far.example:443" });
    stream.end(patternBytes(MB, 0, 1));
    await readPatternFrom(stream, MB, 2);
  });
});
