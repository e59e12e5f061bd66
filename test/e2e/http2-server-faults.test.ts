import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Http2Error } from "../../src/http2/error-codes.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { SettingId } from "../../src/http2/settings.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import { until } from "../kit/deadline.ts";
import { connectFrames } from "../kit/http2-frame-client.ts";
import { startFrameServer } from "../kit/http2-frame-server.ts";
import { frame } from "../kit/http2-frames.ts";
import { RecordingWatcher } from "../kit/recording-watcher.ts";
import { answering, ok, request, startProxy, writePattern } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((size, piece) => size + piece.length, 0);
}

describe("a request that the server did nothing with", () => {
  test("is sent again, whatever its method, when its stream is refused", async () => {
    await using origin = await startFrameServer(async (connection) => {
      const id = await connection.request(0);
      await connection.until(() => connection.stream(id).ended);
      connection.sendReset(id, Http2Error.RefusedStream);
      await connection.answerAll(1, "at last");
    });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    const response = await client.exchange(`${request("POST /a", "Content-Length: 5")}hello`);
    assert.equal(response.body.toString(), "at last");
    assert.deepEqual(proxy.reported, []);
    assert.equal(Buffer.concat(origin.connections[0]?.stream(3).body ?? []).toString(), "hello");
  });

  test("is sent on another connection when the server is going away, which finishes the others", async () => {
    await using origin = await startFrameServer(async (connection, index) => {
      if (index > 0) return connection.answerAll(0, "second");
      await connection.request(0);
      await connection.answer(1, "warm");
      const ids = [await connection.request(1), await connection.request(2), await connection.request(3)];
      connection.sendGoaway(ids[0]!, Http2Error.NoError, "");
      await until("another is made", () => origin.connections.length > 1);
      await connection.answer(ids[0]!, "first");
    });
    await using proxy = await startProxy({ origin, peer });
    const clients = await Promise.all([proxy.connect(), proxy.connect(), proxy.connect()]);
    await clients[0].exchange(request("GET /warm"));
    const answers = await Promise.all(clients.map((client) => client.exchange(request("DELETE /a"))));
    assert.deepEqual(answers.map(({ body }) => body.toString()).sort(), ["first", "second", "second"]);
    assert.equal(origin.connections.length, 2);
    await until("the first is closed", () => proxy.connector.open === 1);
  });

  test("is sent on another connection in the middle of its upload, as long as all of it is still here", async () => {
    await using origin = await startFrameServer(async (connection, index) => {
      if (index > 0) return connection.answerAll(0, "second");
      const id = await connection.request(0);
      await connection.until(() => connection.stream(id).body.length > 0);
      connection.sendGoaway(0, Http2Error.NoError, "");
    });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    const answer = client.exchange(`${request("POST /", "Content-Length: 40000")}${"a".repeat(20_000)}`);
    await until("another is made", () => origin.connections.length > 1);
    void client.write("b".repeat(20_000));
    assert.equal((await answer).body.toString(), "second");
    const whole = Buffer.concat(origin.connections[1]!.stream(1).body).toString();
    assert.ok(whole === "a".repeat(20_000) + "b".repeat(20_000), `${whole.length} bytes`);
  });

  test("is answered with 503 when too much of its upload was sent to be kept", async () => {
    await using origin = await startFrameServer(async (connection) => {
      const id = await connection.request(0);
      await connection.until(() => sizeOf(connection.stream(id).body) > 80_000);
      connection.sendGoaway(0, Http2Error.NoError, "");
    });
    await using proxy = await startProxy({ origin, peer });
    const client = await proxy.connect();
    const answer = client.exchange(`${request("POST /", "Content-Length: 900000")}${"a".repeat(90_000)}`);
    assert.equal((await answer).status, 503);
    assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_REFUSED");
    assert.equal(origin.connections.length, 1);
  });

  test("speaks not against the server, and is given up when it is refused each time", async () => {
    await using origin = await startFrameServer(async (connection) => {
      for (let i = 0; ; i++) connection.sendReset(await connection.request(i), Http2Error.RefusedStream);
    });
    const watcher = new RecordingWatcher();
    const target = new HttpPeer(`127.0.0.1:${origin.port}`, peer);
    target.watcher = watcher;
    await using proxy = await startProxy({
      phases: { upstreamPeer: () => target },
      retries: { maxTries: 3 },
    });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /"))).status, 503);
    assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_REFUSED");
    assert.equal(proxy.count("retries"), 2);
    assert.deepEqual(watcher.ends, [null, null, null]);
  });
});

describe("a connection in HTTP/2", () => {
  test("isn't used for more than the server allows, nor are there more than it takes", async () => {
    await using origin = await startFrameServer(async (connection) => {
      connection.sendSettings([[SettingId.MaxConcurrentStreams, 2]]);
      await connection.answerAll();
    });
    await using proxy = await startProxy({ origin, peer });
    const clients = await Promise.all(Array.from({ length: 10 }, () => proxy.connect()));
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(clients.map((client) => client.exchange(request("GET /"))));
      for (const { body } of answers) assert.equal(body.toString(), "ok");
    }
    assert.ok(origin.connections.length <= 5, `${origin.connections.length} connections`);
  });

  test("is closed after a while without requests, and when the server closes it", async () => {
    await using origin = await startFrameServer((connection) => connection.answerAll());
    await using proxy = await startProxy({ origin, peer, pool: { size: 4, idleTimeout: 200 } });
    const client = await proxy.connect();
    await client.exchange(request("GET /"));
    await until("it is closed", () => proxy.connector.open === 0);
    await client.exchange(request("GET /"));
    origin.connections[1]?.close();
    await until("it is closed again", () => proxy.connector.open === 0);
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    assert.equal(origin.connections.length, 3);
  });

  test("that dies takes its requests along; those that may be are sent again over one other", async () => {
    await using origin = await startFrameServer(async (connection, index) => {
      if (index > 0) return connection.answerAll(0, "second");
      await connection.request(0);
      await connection.answer(1, "warm");
      for (let i = 1; i <= 20; i++) await connection.request(i);
      connection.close();
    });
    await using proxy = await startProxy({ origin, peer });
    const clients = await Promise.all(Array.from({ length: 20 }, () => proxy.connect()));
    await clients[0]?.exchange(request("GET /warm"));
    const answers = await Promise.all(
      clients.map((client, i) => client.exchange(request(i < 10 ? "GET /" : "POST /"))),
    );
    const bodies = answers.map(({ status }) => status).sort();
    assert.deepEqual(bodies, [...Array(10).fill(200), ...Array(10).fill(502)]);
    assert.equal(origin.connections.length, 2);
  });

  test("is given up when the server doesn't answer PING", async () => {
    await using origin = await startFrameServer((connection) => {
      connection.mutesPings = true;
    });
    await using proxy = await startProxy({ origin, peer: { ...peer, pingInterval: 100 } });
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("POST /"))).status, 502);
    assert.equal(proxy.reported[0]?.error.code, "UPSTREAM_CLOSED");
    await until("it is gone", () => proxy.connector.open === 0);
  });

  test("to a server of HTTP/1 fails at once, for all that wait", async () => {
    await using proxy = await startProxy({ origin: answering(ok("no")), peer });
    const clients = await Promise.all(Array.from({ length: 5 }, () => proxy.connect()));
    const answers = await Promise.all(clients.map((client) => client.exchange(request("GET /"))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(5).fill(502),
    );
    assert.ok(proxy.origin.connections.length < 5);
  });
});

describe("a server that takes its time", () => {
  const late: readonly [PeerOptions, string, string][] = [
    [{ firstByteTimeout: 100 }, "/", "UPSTREAM_FIRST_BYTE_TIMEOUT"],
    [{ readTimeout: 100 }, "/head", "UPSTREAM_READ_TIMEOUT"],
    [{ writeTimeout: 100 }, "/upload", "UPSTREAM_WRITE_TIMEOUT"],
  ];
  for (const [options, path, code] of late) {
    test(`loses that request alone: ${code}`, async () => {
      await using origin = await startFrameServer(async (connection) => {
        const id = await connection.request(0);
        if (path === "/head") connection.respond(id, 200, [], false);
        await connection.until(() => connection.stream(id).reset !== null);
        await connection.answerAll(1);
      });
      await using proxy = await startProxy({ origin, peer: { ...peer, ...options } });
      const client = await proxy.connect();
      if (path === "/upload") {
        void client.write(request("POST /upload", "Content-Length: 9000000"));
        void writePattern(client, 9_000_000).catch(() => undefined);
        // The frame server's windows are left unanswered.
        await until("it begins", () => origin.connections.length > 0);
        origin.connections[0]!.mutesWindows = true;
      } else void client.write(request(`GET ${path}`));
      await until("it is given up", () => proxy.reported.length > 0);
      assert.equal(proxy.reported[0]?.error.code, code);
      // Until it has answered a PING the connection is in doubt.
      if (path !== "/upload") await origin.connections[0]!.until(() => origin.connections[0]!.pings > 0);
      const other = await proxy.connect();
      assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
      assert.equal(origin.connections.length, 1);
    });
  }
});

test("DATA over the window of a stream costs that stream only", async () => {
  await using origin = await startFrameServer(async (connection) => {
    await connection.request(0);
    connection.respond(1, 200, [], false);
    for (let i = 0; i < 40; i++) connection.sendRaw(frame(FrameType.Data, 0, 1, "x".repeat(16_384)));
    await connection.until(() => connection.stream(1).reset !== null);
    await connection.answerAll(1);
  });
  await using proxy = await startProxy({ origin, peer });
  await using client = await connectFrames(proxy.port);
  // Nobody takes more than the first window of it.
  client.mutesWindows = true;
  client.request(1, true);
  const other = await proxy.connect();
  await until("it is noticed", () => proxy.reported.length > 0);
  assert.equal((await other.exchange(request("GET /"))).body.toString(), "ok");
  assert.equal(origin.connections[0]?.stream(1).reset, "FLOW_CONTROL_ERROR");
  assert.equal(origin.connections.length, 1);
});
